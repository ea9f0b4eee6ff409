// The addon with the compiled stub. `npm run test:emulated` runs this file with an emulated Node,
// and `npm run test:portable` on this machine.

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
import { platformOf } from '../../loader/platform.js';
import { EmulatedCodex, PICTURE, TIMEOUT_MS } from './fixture.mjs';

/** The time limit of a test that hangs. */
const LIMIT = { timeout: TIMEOUT_MS };
const EMULATED = process.env['EMULATED_NAME'];
/** qemu does not share the memory by which glibc learns that a program could not be started. */
const IN_QEMU_WITH_GLIBC = EMULATED === 'arm64';

/** @import { CodexImageErrorCode } from '../../index.js' */

test('the platform is the expected one', () => {
  assert.equal(`${process.platform}-${process.arch}`, process.env['EXPECTED_PLATFORM']);
});

// A workflow's container has no such name.
test('the C library is recognised', { skip: EMULATED === undefined }, () => {
  assert.equal(platformOf(process).endsWith('-musl'), EMULATED?.startsWith('musl'));
});

describe('an image', () => {
  test('is returned byte for byte while Codex runs', LIMIT, async (t) => {
    const codex = new EmulatedCodex(t);
    const png = await generateCodexImage(codex.options('thread message save tool hang'));
    assert.deepEqual(png, PICTURE);
    codex.expectNothingLeft();
  });

  test('comes with its facts', LIMIT, async (t) => {
    const codex = new EmulatedCodex(t);
    const options = codex.options('thread message save', { completion: 'exit' });
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
      codexHome: codex.home,
    });
    assert.deepEqual(recovered.png, PICTURE);
  });

  test('is taken from the workspace', LIMIT, async (t) => {
    const codex = new EmulatedCodex(t);
    const image = await generateCodexImageDetailed(codex.options('thread copy'));
    assert.deepEqual([image.png, image.source], [PICTURE, 'workspace']);
  });

  test('is requested with the prompt and the settings unchanged', LIMIT, async (t) => {
    const codex = new EmulatedCodex(t);
    const prompt = 'a "fox" \\ %PATH% $(x) `y` ^& 🦊\r\n\t-- and\na second line';
    const config = { plain: 'true', quoted: String.raw`"C:\\a \"b\" c\\"`, empty: '""' };
    await generateCodexImage(codex.options('thread save', { prompt, config }));
    assert.ok(codex.saw('stdin').includes(prompt));
    const args = codex.saw('args').split('\0');
    for (const [key, value] of Object.entries(config)) assert.ok(args.includes(`${key}=${value}`));
    const workspace = codex.saw('cwd');
    assert.equal(path.basename(workspace), 'workspace');
  });

  test(
    'is requested with the variables that Windows programs need',
    {
      ...LIMIT,
      skip: process.platform !== 'win32',
    },
    async (t) => {
      const codex = new EmulatedCodex(t);
      const options = codex.options('thread save');
      assert.ok(!('SYSTEMROOT' in (options.env ?? {})));
      await generateCodexImage(options);
      const names = codex.saw('variables').toUpperCase().split('\0');
      for (const name of ['SYSTEMROOT', 'COMSPEC', 'PATHEXT'])
        assert.ok(names.includes(name), name);
    },
  );

  test('is announced by checkCodex', LIMIT, async (t) => {
    const { codexPath, env } = new EmulatedCodex(t).options('');
    assert.equal((await checkCodex({ codexPath, env })).ready, true);
  });
});

describe('a call', () => {
  /** @type {[what: string, steps: string, error: { code: CodexImageErrorCode, exitCode: number }][]} */
  const cases = [
    ['without an image', 'thread message', { code: 'NO_IMAGE', exitCode: 0 }],
    ['with an exit code', 'thread message exit:1', { code: 'CODEX_FAILED', exitCode: 1 }],
  ];
  for (const [what, steps, error] of cases) {
    test(`fails ${what}`, LIMIT, async (t) => {
      const options = new EmulatedCodex(t).options(steps);
      await assert.rejects(generateCodexImage(options), { name: 'CodexImageError', ...error });
    });
  }

  test('fails without a Codex', LIMIT, async (t) => {
    const codex = new EmulatedCodex(t);
    const codexPath = path.join(codex.controlDir, 'no-codex');
    await assert.rejects(generateCodexImage(codex.options('', { codexPath })), {
      code: 'CODEX_NOT_FOUND',
    });
  });

  test(
    'fails with a Codex that is no program',
    { ...LIMIT, skip: IN_QEMU_WITH_GLIBC },
    async (t) => {
      const codex = new EmulatedCodex(t);
      const codexPath = path.join(
        codex.controlDir,
        process.platform === 'win32' ? 'codex.exe' : 'codex',
      );
      await writeFile(codexPath, '#!/nowhere/sh\n', { mode: 0o755 });
      await assert.rejects(generateCodexImage(codex.options('', { codexPath })), {
        code: 'SPAWN_FAILED',
      });
    },
  );
});

describe('a process tree with a live tool', () => {
  const BUSY = 'thread message tool hang';

  test('is gone after a timeout', LIMIT, async (t) => {
    const codex = new EmulatedCodex(t);
    const call = generateCodexImage(codex.options(BUSY, { timeoutMs: 30_000 }));
    const rejected = assert.rejects(call, { code: 'TIMEOUT' });
    await codex.running();
    await rejected;
    codex.expectNothingLeft();
  });

  test('is gone after an abort', LIMIT, async (t) => {
    const codex = new EmulatedCodex(t);
    const controller = new AbortController();
    const { signal } = controller;
    const call = generateCodexImage(codex.options(BUSY, { signal }));
    const rejected = assert.rejects(call, (reason) => reason === signal.reason);
    await codex.running();
    controller.abort();
    await rejected;
    codex.expectNothingLeft();
  });

  test('is gone after the host process has ended', LIMIT, async (t) => {
    const codex = new EmulatedCodex(t);
    const host = await codex.hostProcess(codex.options(BUSY));
    host.stdin?.write('process.exit\n');
    assert.deepEqual(await once(host, 'exit'), [3, null]);
    codex.expectNothingLeft();
  });

  test(
    'is gone after the host process was killed and the next call has started',
    LIMIT,
    async (t) => {
      const codex = new EmulatedCodex(t);
      const host = await codex.hostProcess(codex.options(BUSY));
      host.kill('SIGKILL');
      const [, signal] = await once(host, 'exit');
      assert.equal(signal, 'SIGKILL');
      await codex.dead();
      assert.deepEqual(await generateCodexImage(codex.options('thread save')), PICTURE);
      codex.expectNothingLeft();
    },
  );
});
