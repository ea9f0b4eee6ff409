// What can go wrong on one platform alone. The Codex of these tests is Node itself, so they need nothing that only Linux has; the
// same promises are kept, on every platform, by the tests of `src/process/tests.rs`.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { describe, expect, onTestFinished, test } from 'vitest';

import { type GenerateOptions, generateCodexImage } from '../../index.js';
import { rejection } from '../support/abort.js';
import { workIn } from '../support/bystander.js';
import { Daemon } from '../support/daemon.js';
import { makeHomeDirectory } from '../support/homes.mjs';
import { directories, MACOS, WINDOWS } from '../support/platform.js';
import { png } from '../support/png.js';
import { CHATGPT_LOGIN } from '../support/stub.js';

const PICTURE = png();
const CODEX = fileURLToPath(new URL('../support/any-codex.mjs', import.meta.url));
/** What takes its time on a busy machine is waited for, not measured. */
const PATIENCE = { timeout: 20_000, interval: 20 };

interface World {
  options: GenerateOptions;
  /** The process that Codex has started, once it has. */
  grandchild: () => Promise<number>;
  workspaces: () => string[];
}

async function world(does: 'draw' | 'hang' | 'nothing'): Promise<World> {
  const root = await realpath(makeHomeDirectory());
  onTestFinished(() => rm(root, { recursive: true, force: true, maxRetries: 3 }));
  const [home, temporary] = [path.join(root, 'home'), path.join(root, 'tmp')];
  await Promise.all([mkdir(home), mkdir(temporary)]);
  await writeFile(path.join(home, 'auth.json'), JSON.stringify(CHATGPT_LOGIN));
  const grandchild = path.join(root, 'grandchild');
  return {
    options: {
      prompt: `<${PICTURE.toString('base64')}>`,
      codexPath: process.execPath,
      codexHome: home,
      env: {
        NODE_OPTIONS: `--import=${pathToFileURL(CODEX)}`,
        ANY_CODEX_DOES: does,
        ANY_CODEX_DESK: root,
        ...directories(home, temporary),
      },
    },
    grandchild: async () => {
      await expect.poll(() => existsSync(grandchild), PATIENCE).toBe(true);
      return Number(readFileSync(grandchild, 'utf8'));
    },
    workspaces: () => readdirSync(temporary).map((name) => path.join(temporary, name)),
  };
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.skipIf(!WINDOWS)('on Windows', () => {
  test('an abort: what Codex has started dies with the job', async () => {
    const { options, grandchild, workspaces } = await world('hang');
    const controller = new AbortController();
    const call = generateCodexImage({ ...options, signal: controller.signal });
    const pid = await grandchild();
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    expect(runs(pid)).toBe(false);
    expect(workspaces()).toEqual([]);
  });

  test('the daemon is killed: its job dies with it', async () => {
    const { options, grandchild } = await world('hang');
    const daemon = new Daemon(options);
    const pid = await grandchild();
    await daemon.die('SIGKILL');
    await expect.poll(() => runs(pid), PATIENCE).toBe(false);
  });

  test('a workspace in which somebody works is removed as soon as he is gone', async () => {
    const { options, grandchild, workspaces } = await world('hang');
    const controller = new AbortController();
    const call = generateCodexImage({ ...options, signal: controller.signal });
    const pid = await grandchild();
    const somebody = await workIn(workspaces()[0] as string);
    controller.abort('enough');
    const end = rejection(call);
    await expect.poll(() => runs(pid), PATIENCE).toBe(false);
    somebody.kill('SIGKILL');
    expect((await end).reason).toBe('enough');
    expect(workspaces()).toEqual([]);
  });

  test('an environment without what Windows needs is completed', async () => {
    const { options } = await world('draw');
    expect(Object.keys(options.env as object)).not.toContain('SystemRoot');
    expect(await generateCodexImage(options)).toEqual(PICTURE);
  });
});

describe.skipIf(!MACOS)('on macOS', () => {
  test('a group of nothing but zombies cannot be signalled, and that is no failure', async () => {
    const { options, workspaces } = await world('nothing');
    await expect(generateCodexImage(options)).rejects.toMatchObject({ code: 'NO_IMAGE' });
    expect(workspaces()).toEqual([]);
  });

  test('children started at once do not hold each other’s input open', async () => {
    const worlds = await Promise.all(Array.from({ length: 8 }, () => world('draw')));
    const calls = worlds.map(({ options }) => generateCodexImage(options));
    expect(await Promise.all(calls)).toEqual(worlds.map(() => PICTURE));
  });

  test('the daemon is killed: nobody signals its children, and the watchdog does', async () => {
    const { options, grandchild } = await world('hang');
    const daemon = new Daemon(options);
    const pid = await grandchild();
    await daemon.die('SIGKILL');
    await expect.poll(() => runs(pid), PATIENCE).toBe(false);
  });
});
