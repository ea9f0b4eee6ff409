// Under WSL, PATH has the directories of Windows as well, perhaps with a Codex that cannot run
// there. The tests make such a PATH on any other system.

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { checkCodex } from '../../index.js';
import { launcher } from '../support/npm/npm-layout.js';
import { CODEX_IS_INSTALLED, WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import { installStub } from '../support/stub/stub-program.js';

/** The first bytes of every program for Windows. */
const PROGRAM = Buffer.from('MZ\x90\0\x03\0\0\0');

/** Writes a file where Windows would have it. In WSL all files there are executable. */
async function place(codex: StubCodex, name: string, content: string | Buffer): Promise<string> {
  const file = path.join(codex.scratch, 'mnt/c/npm', name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content, { mode: 0o777 });
  return file;
}

/**
 * Installs what npm leaves on Windows: launchers for two kinds of shell, the package, and its
 * binary.
 */
async function installFromNpm(codex: StubCodex): Promise<string> {
  const modules = 'node_modules/@openai';
  await place(codex, `${modules}/codex/bin/codex.js`, '');
  const vendor = 'vendor/x86_64-pc-windows-msvc/bin/codex.exe';
  await place(codex, `${modules}/codex-win32-x64/${vendor}`, PROGRAM);
  await place(codex, 'codex.cmd', await launcher('npm-cmd-shim-8.0.0.cmd'));
  return place(codex, 'codex', await launcher('npm-cmd-shim-8.0.0.sh'));
}

const FOUND: [what: string, install: (codex: StubCodex) => Promise<string>][] = [
  ['codex.exe', (codex) => place(codex, 'codex.exe', PROGRAM)],
  ['a program for Windows without its extension', (codex) => place(codex, 'codex', PROGRAM)],
  ["npm's launcher on Windows", installFromNpm],
];

describe.skipIf(WINDOWS)('a Codex for Windows', () => {
  describe.for(FOUND)('%s', ([, install]) => {
    test('is refused where codexPath names it', async ({ codex }) => {
      const codexPath = await install(codex);
      const error = await failure(codex.generate(turn(), { codexPath }));
      expect(error).toMatchObject({ code: 'CODEX_NOT_FOUND', status: 424, retryable: false });
      expect(error.message).toContain('it is a program for Windows');
      await codex.expectNothingLeft();
    });

    test.skipIf(CODEX_IS_INSTALLED)(
      'is distinguished from a missing one if it is the only one',
      async ({ codex }) => {
        const PATH = path.dirname(await install(codex));
        const env = { ...codex.env, PATH, WSL_DISTRO_NAME: 'Ubuntu' };
        const error = await failure(codex.generate(turn(), { codexPath: null, env }));
        expect(error).toMatchObject({ code: 'CODEX_NOT_FOUND', status: 424, retryable: false });
        expect(error.message).toContain('Only a Codex CLI for Windows was found');
        const { ready, problems } = await checkCodex({ env });
        expect(ready).toBe(false);
        expect(problems[0]?.message).toContain('Only a Codex CLI for Windows was found');
      },
    );

    test('is passed over for one that runs', async ({ codex }) => {
      const windows = path.dirname(await install(codex));
      const linux = await installStub(path.join(codex.scratch, 'linux', 'codex'));
      const PATH = [windows, path.dirname(linux)].join(path.delimiter);
      const call = codex.generate(turn(save('store', PICTURE)), {
        codexPath: null,
        env: { ...codex.env, PATH },
      });
      expect(await call).toEqual(PICTURE);
    });
  });
});

test("the agent has no sandbox under WSL, where Codex's own does not work", async ({ codex }) => {
  const env = { ...codex.env, WSL_DISTRO_NAME: 'Ubuntu' };
  await codex.generate(turn(save('store', PICTURE)), { env, sandbox: 'auto' });
  const { args } = await codex.turn();
  expect(args[args.indexOf('--sandbox') + 1]).toBe('danger-full-access');
});
