// A home whose files block: FIFOs without a writer, and a dead disk.

import { spawnSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { checkCodex, recoverCodexImage } from '../../index.js';
import {
  checkInOwnProcess,
  generateInOwnProcess,
  mayHaveDeadDisk,
  mayOverlay,
  readDeadHome,
  recoverInOwnProcess,
  withDeadDisk,
  withEtc,
  type Wrapper,
} from '../support/process/own-process.js';
import { WINDOWS } from '../support/platform.js';
import { png } from '../support/image/small-png.js';
import { save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';

const PNG = png();
const ID = '0199d2c4-aaaa-7000-8000-0123456789ab';
const FILES = ['auth.json', 'config.toml'];

/** Makes a FIFO, which blocks an `open` until it has a writer. */
async function makeFifo(codex: StubCodex, name: string): Promise<void> {
  const file = path.join(codex.home, name);
  await rm(file, { force: true });
  expect(spawnSync('mkfifo', [file]).status).toBe(0);
}

// Windows has no FIFOs.
describe.skipIf(WINDOWS).for(FILES)('a FIFO instead of %s', (name) => {
  test('does not hold up checkCodex, which asks the CLI', async ({ codex }) => {
    await codex.play([]);
    await makeFifo(codex, name);
    const found = await checkCodex({ codexPath: SCRIPT_STUB, env: codex.env });
    expect(found).toMatchObject({ ready: true, login: 'chatgpt', problems: [] });
  });

  test('does not hold up a generation', async ({ codex }) => {
    await makeFifo(codex, name);
    expect(await codex.generate(turn(save('store', PNG)))).toEqual(PNG);
  });

  test('leaves the threads of the process free for any number of calls', async ({ codex }) => {
    await codex.play([]);
    const directory = path.join(codex.home, 'generated_images', ID);
    await mkdir(directory, { recursive: true });
    await writeFile(path.join(directory, 'ig_1.png'), PNG);
    await makeFifo(codex, name);
    // Starts nothing, and makes more calls than there are threads.
    const options = { codexPath: path.join(codex.scratch, 'none'), env: codex.env };
    const checks = Array.from({ length: 600 }, () => checkCodex(options));
    expect(await recoverCodexImage({ threadId: ID, env: codex.env })).toMatchObject({ png: PNG });
    await Promise.all(checks);
  });
});

describe.skipIf(!mayHaveDeadDisk())(
  'a home on a disk that does not answer (takes the right to mount)',
  () => {
    const CALLS = 40;

    test('fails the calls for it, takes few threads, and leaves other homes alone', async ({
      codex,
    }) => {
      await codex.play([]);
      const disk = path.join(codex.scratch, 'disk');
      await mkdir(disk);
      const healthy = { codexPath: SCRIPT_STUB, env: codex.env };
      const dead = { ...healthy, codexHome: disk };
      const options = { dead, healthy, threadId: ID, calls: CALLS };
      const found = await readDeadHome(options, withDeadDisk(disk));
      expect(found.checks).toHaveLength(CALLS);
      for (const check of found.checks) {
        expect(check).toMatchObject({
          ready: false,
          codexPath: SCRIPT_STUB,
          login: 'unknown',
          imageTool: 'unlikely',
          problems: [{ code: 'LOGIN_UNKNOWN', blocking: true }],
        });
      }
      expect(found.recoveries).toHaveLength(CALLS);
      for (const error of found.recoveries) {
        expect(error).toMatchObject({ code: 'TIMEOUT', status: 504, retryable: true });
        expect(error).toMatchObject({ threadId: ID });
        expect(error.message).toContain('does not answer');
      }
      expect(found.healthy).toMatchObject({ ready: true, login: 'chatgpt' });
      expect(found.threads).toBeLessThan(CALLS);
    });

    test('does not keep a generation from ending at its timeout', async ({ codex }) => {
      const disk = path.join(codex.scratch, 'disk');
      await mkdir(disk);
      const options = codex.options({ codexHome: disk, timeoutMs: 1000 });
      const { error } = await generateInOwnProcess(options, withDeadDisk(disk));
      expect(error).toMatchObject({ code: 'TIMEOUT' });
      expect(await codex.recordings()).toEqual([]);
    });
  },
);

// Replacing /etc needs Linux and the right to mount.
describe.skipIf(!mayOverlay())('a user database that does not answer (takes overlays)', () => {
  /** Has no variable that names a home, and a user database that blocks. */
  async function homeless(codex: StubCodex): Promise<[Record<string, string>, Wrapper]> {
    const etc = path.join(codex.scratch, 'etc');
    await mkdir(etc);
    expect(spawnSync('mkfifo', [path.join(etc, 'passwd')]).status).toBe(0);
    await writeFile(path.join(etc, 'nsswitch.conf'), 'passwd: files\n');
    const { HOME: _, CODEX_HOME: __, ...env } = codex.env;
    // A blocked thread of libuv ends only with its process.
    return [env, ['timeout', '--signal=KILL', '60', ...withEtc(etc)]];
  }

  test('does not keep a generation from ending at its timeout', async ({ codex }) => {
    const [env, wrapper] = await homeless(codex);
    const { error } = await generateInOwnProcess(codex.options({ env, timeoutMs: 1000 }), wrapper);
    expect(error).toMatchObject({ code: 'TIMEOUT' });
    expect(await codex.recordings()).toEqual([]);
  });

  test('does not keep a check and a recovery from ending', async ({ codex }) => {
    const [env, wrapper] = await homeless(codex);
    expect(await checkInOwnProcess({ codexPath: SCRIPT_STUB, env }, wrapper)).toMatchObject({
      ready: false,
      login: 'unknown',
      problems: [{ code: 'LOGIN_UNKNOWN', blocking: true }],
    });
    const { error } = await recoverInOwnProcess({ threadId: ID, env }, wrapper);
    expect(error).toMatchObject({ code: 'TIMEOUT' });
  });
});
