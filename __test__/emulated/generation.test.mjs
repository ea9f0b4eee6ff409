// The addon on a platform that is not the one it was built on: what it promises, through a stub codex. `npm run test:emulated`
// runs this file under that platform's Node.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';

import {
  checkCodex,
  generateCodexImage,
  generateCodexImageDetailed,
  recoverCodexImage,
} from '../../index.js';
import { PATIENCE_MS, PICTURE, World } from './world.mjs';

/** A ceiling for a test that hangs. */
const LIMIT = { timeout: PATIENCE_MS };
/** There glibc does not learn that a program could not be started: the memory it shares with the child for that is not shared. */
const IN_QEMU_WITH_GLIBC = process.env['EMULATED_NAME'] === 'arm64';

/** @import { CodexImageErrorCode } from '../../index.js' */

test('this is the platform', () => {
  assert.equal(`${process.platform}-${process.arch}`, process.env['EXPECTED_PLATFORM']);
});

describe('a picture', () => {
  test('is handed over byte for byte, while Codex still runs', LIMIT, async (t) => {
    const world = new World(t);
    const png = await generateCodexImage(world.options('thread message save tool hang'));
    assert.deepEqual(png, PICTURE);
    world.expectNothingLeft();
  });

  test('comes with what is known of it', LIMIT, async (t) => {
    const world = new World(t);
    const options = world.options('thread message save', { completion: 'exit' });
    /** @type {string[]} */
    const phases = [];
    const image = await generateCodexImageDetailed(options, (_message, { phase }) => {
      if (phases.at(-1) !== phase) phases.push(phase);
    });
    assert.deepEqual(image.png, PICTURE);
    assert.deepEqual([image.width, image.height, image.source], [32, 32, 'store']);
    assert.deepEqual(phases.slice(0, 2), ['preflight', 'starting']);
    assert.ok(phases.includes('message') && phases.includes('checking'), phases.join());
    const recovered = await recoverCodexImage({
      threadId: image.threadId ?? '',
      codexHome: world.home,
    });
    assert.deepEqual(recovered.png, PICTURE);
  });

  test('is taken from the workspace', LIMIT, async (t) => {
    const world = new World(t);
    const image = await generateCodexImageDetailed(world.options('thread copy'));
    assert.deepEqual([image.png, image.source], [PICTURE, 'workspace']);
  });

  test('is asked for in the very words', LIMIT, async (t) => {
    const world = new World(t);
    const prompt = 'a "fox" \\ %PATH% $(x) `y` ^& 🦊\r\n\t-- and\na second line';
    const config = { plain: 'true', quoted: String.raw`"C:\\a \"b\" c\\"`, empty: '""' };
    await generateCodexImage(world.options('thread save', { prompt, config }));
    assert.ok(world.saw('stdin').includes(prompt));
    const args = world.saw('args').split('\0');
    for (const [key, value] of Object.entries(config)) assert.ok(args.includes(`${key}=${value}`));
    const workspace = world.saw('cwd');
    assert.equal(path.basename(workspace), 'workspace');
  });

  test(
    'is asked for with what Windows programs cannot do without',
    {
      ...LIMIT,
      skip: process.platform !== 'win32',
    },
    async (t) => {
      const world = new World(t);
      const options = world.options('thread save');
      assert.ok(!('SYSTEMROOT' in (options.env ?? {})));
      await generateCodexImage(options);
      const names = world.saw('variables').toUpperCase().split('\0');
      for (const name of ['SYSTEMROOT', 'COMSPEC', 'PATHEXT'])
        assert.ok(names.includes(name), name);
    },
  );

  test('can be had: nothing is missing for it', LIMIT, async (t) => {
    const { codexPath, env } = new World(t).options('');
    assert.equal((await checkCodex({ codexPath, env })).ready, true);
  });
});

describe('a failure', () => {
  /** @type {[what: string, orders: string, error: { code: CodexImageErrorCode, exitCode: number }][]} */
  const cases = [
    ['without a picture', 'thread message', { code: 'NO_IMAGE', exitCode: 0 }],
    ['with an exit code', 'thread message fail', { code: 'CODEX_FAILED', exitCode: 1 }],
  ];
  for (const [what, orders, error] of cases) {
    test(what, LIMIT, async (t) => {
      const options = new World(t).options(orders);
      await assert.rejects(generateCodexImage(options), { name: 'CodexImageError', ...error });
    });
  }

  test('without a Codex', LIMIT, async (t) => {
    const world = new World(t);
    const codexPath = path.join(world.desk, 'no-codex');
    await assert.rejects(generateCodexImage(world.options('', { codexPath })), {
      code: 'CODEX_NOT_FOUND',
    });
  });

  test('with a Codex that is no program', { ...LIMIT, skip: IN_QEMU_WITH_GLIBC }, async (t) => {
    const world = new World(t);
    const codexPath = path.join(world.desk, process.platform === 'win32' ? 'codex.exe' : 'codex');
    await writeFile(codexPath, '#!/nowhere/sh\n', { mode: 0o755 });
    await assert.rejects(generateCodexImage(world.options('', { codexPath })), {
      code: 'SPAWN_FAILED',
    });
  });
});

describe('nothing is left, though a tool of the agent lives,', () => {
  const BUSY = 'thread message tool hang';

  test('after a timeout', LIMIT, async (t) => {
    const world = new World(t);
    const call = generateCodexImage(world.options(BUSY, { timeoutMs: 30_000 }));
    const rejected = assert.rejects(call, { code: 'TIMEOUT' });
    await world.running();
    await rejected;
    world.expectNothingLeft();
  });

  test('after an abort', LIMIT, async (t) => {
    const world = new World(t);
    const controller = new AbortController();
    const { signal } = controller;
    const call = generateCodexImage(world.options(BUSY, { signal }));
    const rejected = assert.rejects(call, (reason) => reason === signal.reason);
    await world.running();
    controller.abort();
    await rejected;
    world.expectNothingLeft();
  });

  test('after the daemon has ended', LIMIT, async (t) => {
    const world = new World(t);
    const daemon = await world.daemon(world.options(BUSY));
    daemon.stdin?.write('process.exit\n');
    assert.deepEqual(await once(daemon, 'exit'), [3, null]);
    world.expectNothingLeft();
  });

  test('after the daemon was killed, when the next has started', LIMIT, async (t) => {
    const world = new World(t);
    const daemon = await world.daemon(world.options(BUSY));
    daemon.kill('SIGKILL');
    const [, signal] = await once(daemon, 'exit');
    assert.equal(signal, 'SIGKILL');
    await world.dead();
    assert.deepEqual(await generateCodexImage(world.options('thread save')), PICTURE);
    world.expectNothingLeft();
  });
});
