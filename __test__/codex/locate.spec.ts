// Which program is started as Codex.

import { mkdir, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect } from 'vitest';

import { checkCodex, type GenerateOptions } from '../../index.js';
import { checkInOwnProcess, mayOverlay, withEtc } from '../support/process/own-process.js';
import {
  type Installation,
  installFromNpm,
  installPackage,
  launcher,
  launchers,
  OTHER_PROCESSOR,
  PLATFORM_PACKAGE,
  VENDOR,
} from '../support/npm/npm-layout.js';
import { CODEX_IS_INSTALLED, LINUX, MACOS, NOWHERE, WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import { installStub } from '../support/stub/stub-program.js';

/** Path of the native binary below `node_modules/@openai`. */
const BINARY = `${PLATFORM_PACKAGE}/${VENDOR}/bin/codex`;

/** Installs a stub at `file`, in the scratch directory unless the path is absolute. */
async function install(codex: StubCodex, file: string): Promise<string> {
  return installStub(path.resolve(codex.scratch, file));
}

/** Returns the path by which the CLI was started. */
async function chosen(
  codex: StubCodex,
  env: Record<string, string>,
  options: Partial<GenerateOptions> = {},
): Promise<string> {
  const call = codex.generate(turn(save('store', PICTURE)), {
    codexPath: null,
    env: { ...codex.env, ...env },
    ...options,
  });
  expect(await call).toEqual(PICTURE);
  return (await codex.turn()).program;
}

describe('the program that is started', () => {
  test('is codexPath before CODEX_BIN and PATH', async ({ codex }) => {
    const option = await install(codex, 'option/codex');
    const variable = await install(codex, 'variable/codex');
    const onPath = await install(codex, 'path/codex');
    const env = { CODEX_BIN: variable, PATH: path.dirname(onPath) };
    expect(await chosen(codex, env, { codexPath: option })).toBe(option);
  });

  test('is CODEX_BIN before PATH', async ({ codex }) => {
    const variable = await install(codex, 'variable/my-codex');
    const onPath = await install(codex, 'path/codex');
    expect(await chosen(codex, { CODEX_BIN: variable, PATH: path.dirname(onPath) })).toBe(variable);
  });

  test('is the first on PATH', async ({ codex }) => {
    const first = await install(codex, 'first/codex');
    const second = await install(codex, 'second/codex');
    const PATH = [codex.scratch, path.dirname(first), path.dirname(second)].join(path.delimiter);
    expect(await chosen(codex, { PATH })).toBe(first);
  });

  test('is not one on PATH that cannot be run', async ({ codex }) => {
    const name = WINDOWS ? 'codex.exe' : 'codex';
    await mkdir(path.join(codex.scratch, 'a directory', name), { recursive: true });
    await mkdir(path.join(codex.scratch, 'a text'));
    // On Windows every `codex.exe` counts as a program.
    const text = path.join(codex.scratch, 'a text', WINDOWS ? 'codex.cmd' : 'codex');
    await writeFile(text, 'not a program', { mode: 0o644 });
    const usable = await install(codex, 'a program/codex');
    const PATH = ['a directory', 'a text', 'a program']
      .map((directory) => path.join(codex.scratch, directory))
      .join(path.delimiter);
    expect(await chosen(codex, { PATH })).toBe(usable);
  });
});

describe('CODEX_BIN', () => {
  test('may start with ~', async ({ codex }) => {
    const atHome = await install(codex, path.join(codex.user, 'tools/codex'));
    const CODEX_BIN = path.join('~', 'tools', path.basename(atHome));
    expect(await chosen(codex, { CODEX_BIN })).toBe(atHome);
  });

  test('is ignored when it is blank', async ({ codex }) => {
    const onPath = await install(codex, 'path/codex');
    expect(await chosen(codex, { CODEX_BIN: '  ', PATH: path.dirname(onPath) })).toBe(onPath);
  });

  test.for<[value: string, reason: string]>([
    ['codex', 'it is not an absolute path'],
    [path.join(NOWHERE, 'codex'), 'there is no such file'],
    [path.resolve('/'), 'it is a directory'],
    [
      fileURLToPath(import.meta.url),
      WINDOWS ? 'it is a script, and leads to no native Codex' : 'it is not executable',
    ],
  ])(
    'is refused by its name when it is unusable, although PATH has a Codex: %s',
    async ([CODEX_BIN, reason], { codex }) => {
      const PATH = path.dirname(await install(codex, 'path/codex'));
      const env = { ...codex.env, CODEX_BIN, PATH };
      const error = await failure(codex.generate(turn(), { codexPath: null, env }));
      expect(error).toMatchObject({ code: 'CODEX_NOT_FOUND', status: 424, retryable: false });
      const problem = `The Codex CLI that the variable CODEX_BIN names cannot be run: ${reason}.`;
      expect(error.message.startsWith(problem)).toBe(true);
      const { ready, problems } = await checkCodex({ env });
      expect(ready).toBe(false);
      expect(problems).toMatchObject([{ code: 'CODEX_NOT_FOUND', message: problem }]);
      expect(await codex.recordings()).toEqual([]);
    },
  );
});

describe('a usual directory that is not on PATH', () => {
  const PLACES = WINDOWS
    ? [
        'AppData/Local/Programs/OpenAI/Codex/bin',
        'AppData/Roaming/npm',
        'AppData/Local/pnpm',
        'AppData/Local/pnpm/bin',
        'AppData/Local/Microsoft/WinGet/Links',
        'scoop/shims',
        '.bun/bin',
        'AppData/Local/Volta/bin',
        '.cargo/bin',
        'AppData/Roaming/fnm/node-versions/v22.1.0/installation',
        'AppData/Local/OpenAI/Codex/bin',
        'AppData/Local/OpenAI/Codex/bin/7ac07f4ce733f89a',
      ]
    : [
        '.local/bin',
        '.npm-global/bin',
        '.bun/bin',
        '.volta/bin',
        '.asdf/shims',
        '.cargo/bin',
        '.local/share/mise/shims',
        '.local/share/pnpm',
        '.local/share/pnpm/bin',
        'Library/pnpm',
        'Library/pnpm/bin',
        // Searched after the system's directories.
        ...(CODEX_IS_INSTALLED
          ? []
          : [
              '.nvm/versions/node/v22.1.0/bin',
              '.local/share/fnm/node-versions/v22.1.0/installation/bin',
              '.fnm/node-versions/v22.1.0/installation/bin',
              'Library/Application Support/fnm/node-versions/v22.1.0/installation/bin',
            ]),
      ];

  /** Variables that name an installer's directory, and where it has launchers. */
  const VARIABLES_OF_WINDOWS = [
    ['APPDATA', 'npm'],
    ['LOCALAPPDATA', 'Programs/OpenAI/Codex/bin'],
    ['LOCALAPPDATA', 'pnpm'],
    ['LOCALAPPDATA', 'pnpm/bin'],
    ['LOCALAPPDATA', 'Volta/bin'],
    ['VOLTA_HOME', 'bin'],
    ['BUN_INSTALL', 'bin'],
    ['NVM_SYMLINK', ''],
    ['ProgramFiles', 'nodejs'],
    ['FNM_DIR', 'node-versions/v22.1.0/installation'],
  ] as const;
  const OTHER_VARIABLES = [
    ['npm_config_prefix', 'bin'],
    ['NPM_CONFIG_PREFIX', 'bin'],
    ['BUN_INSTALL', 'bin'],
    ['VOLTA_HOME', 'bin'],
    ['ASDF_DATA_DIR', 'shims'],
    ['MISE_DATA_DIR', 'shims'],
    ['XDG_DATA_HOME', 'mise/shims'],
    ['XDG_DATA_HOME', 'pnpm'],
    ['XDG_DATA_HOME', 'pnpm/bin'],
    // Searched after the system's directories.
    ...(CODEX_IS_INSTALLED
      ? []
      : ([
          ['NVM_DIR', 'versions/node/v22.1.0/bin'],
          ['FNM_DIR', 'node-versions/v22.1.0/installation/bin'],
          ['XDG_DATA_HOME', 'fnm/node-versions/v22.1.0/installation/bin'],
        ] as const)),
  ] as const;

  test.for(PLACES)('is searched: ~/%s', async (place, { codex }) => {
    const there = await install(codex, path.join(codex.user, place, 'codex'));
    expect(await chosen(codex, { PATH: codex.scratch })).toBe(there);
  });

  test.for<readonly [variable: string, below: string]>([
    ['CODEX_INSTALL_DIR', ''],
    ['PNPM_HOME', ''],
    ['PNPM_HOME', 'bin'],
    ...(WINDOWS ? VARIABLES_OF_WINDOWS : OTHER_VARIABLES),
  ])('is searched where %s names it: %s', async ([variable, below], { codex }) => {
    const moved = path.join(codex.scratch, 'moved');
    const there = await install(codex, path.join(moved, below, 'codex'));
    expect(await chosen(codex, { PATH: codex.scratch, [variable]: moved })).toBe(there);
  });

  // Names of variables have no case on Windows.
  test.skipIf(WINDOWS)(
    'is searched where npm_config_prefix names it, not NPM_CONFIG_PREFIX',
    async ({ codex }) => {
      const first = await install(codex, 'first/bin/codex');
      await install(codex, 'second/bin/codex');
      const env = {
        npm_config_prefix: path.join(codex.scratch, 'first'),
        NPM_CONFIG_PREFIX: path.join(codex.scratch, 'second'),
      };
      expect(await chosen(codex, { PATH: codex.scratch, ...env })).toBe(first);
    },
  );

  test.skipIf(CODEX_IS_INSTALLED)(
    'is searched for the newest of several versions',
    async ({ codex }) => {
      const place = (version: string) =>
        WINDOWS
          ? path.join(codex.user, `.fnm/node-versions/${version}/installation/codex`)
          : path.join(codex.user, `.nvm/versions/node/${version}/bin/codex`);
      await install(codex, place('v9.11.2'));
      const newest = await install(codex, place('v22.1.0'));
      await install(codex, place('v20.19.0'));
      expect(await chosen(codex, { PATH: codex.scratch })).toBe(newest);
    },
  );
});

describe.skipIf(!MACOS)('an application of macOS', () => {
  const inside = (codex: StubCodex, app: string) =>
    path.join(codex.user, 'Applications', `${app}.app`, 'Contents/Resources/codex');

  test.skipIf(CODEX_IS_INSTALLED)('is searched: ChatGPT before Codex', async ({ codex }) => {
    await install(codex, inside(codex, 'Codex'));
    const current = await install(codex, inside(codex, 'ChatGPT'));
    expect(await chosen(codex, { PATH: codex.scratch })).toBe(current);
  });

  test('is run by its own path where a link on PATH leads to it', async ({ codex }) => {
    const program = await install(codex, inside(codex, 'ChatGPT'));
    await symlink(program, path.join(codex.scratch, 'codex'));
    expect(await chosen(codex, { PATH: codex.scratch })).toBe(await realpath(program));
  });
});

// Replacing /etc needs Linux and the right to mount.
describe.skipIf(!mayOverlay())('a call without HOME (takes overlays)', () => {
  test.for(['.local/bin', '.local/share/pnpm/bin', '.bun/bin'])(
    'finds a usual directory in the home of the user database: %s',
    async (place, { codex }) => {
      const there = await install(codex, path.join(codex.user, place, 'codex'));
      const etc = path.join(codex.scratch, 'etc');
      await mkdir(etc);
      // A process that may mount runs as root, at least in its namespace.
      await writeFile(path.join(etc, 'passwd'), `root:x:0:0::${codex.user}:/bin/sh\n`);
      await writeFile(path.join(etc, 'nsswitch.conf'), 'passwd: files\n');
      const { HOME: _, ...rest } = codex.env;
      const env = { ...rest, PATH: codex.scratch };
      const found = await checkInOwnProcess({ env }, withEtc(etc));
      expect(found).toMatchObject({ ready: true, codexPath: there });
    },
  );
});

describe("npm's launcher", () => {
  const installed = (codex: StubCodex, binary: string | null) =>
    installFromNpm(codex.scratch, '0.169.0', binary);

  test.for([
    BINARY,
    `${PLATFORM_PACKAGE}/${VENDOR}/codex/codex`,
    `codex/node_modules/@openai/${BINARY}`,
    `codex/${VENDOR}/codex/codex`,
  ])('leads to the native binary: %s', async (binary, { codex }) => {
    const { command, native } = await installed(codex, binary);
    expect(await chosen(codex, { PATH: path.dirname(command) })).toBe(native);
  });

  // As with Node for x64 under Rosetta, or on Windows for arm64.
  describe('with a binary for the other processor', () => {
    const { package: name, vendor } = OTHER_PROCESSOR;
    const ofOther = (codex: StubCodex) => installed(codex, `${name}/${vendor}/bin/codex`);

    test('leads to it if it is the only one, but not on Linux', async ({ codex }) => {
      const { command, native } = await ofOther(codex);
      expect(await chosen(codex, { PATH: path.dirname(command) })).toBe(LINUX ? command : native);
    });

    test('leads to the one for this processor if there is one', async ({ codex }) => {
      const { command, native } = await ofOther(codex);
      const modules = native.slice(0, native.indexOf(name));
      const own = await install(codex, path.join(modules, BINARY));
      expect(await chosen(codex, { PATH: path.dirname(command) })).toBe(own);
    });
  });

  test('leads to the native binary where codexPath names it', async ({ codex }) => {
    const { command, native } = await installed(codex, BINARY);
    expect(await chosen(codex, {}, { codexPath: command })).toBe(native);
  });

  test('leads to the version that npm installed', async ({ codex }) => {
    const { command: codexPath } = await installed(codex, BINARY);
    const image = await codex.generateDetailed(turn(save('store', PICTURE)), { codexPath });
    expect(image.codexVersion).toBe('0.169.0');
  });

  // Windows starts no scripts.
  test.skipIf(WINDOWS)('is run itself where there is no binary', async ({ codex }) => {
    const { command } = await installed(codex, null);
    expect(await chosen(codex, { PATH: path.dirname(command) })).toBe(command);
  });

  test.runIf(WINDOWS)('is refused where it leads to no binary', async ({ codex }) => {
    const { command: codexPath } = await installed(codex, null);
    const error = await failure(codex.generate(turn(), { codexPath }));
    expect(error).toMatchObject({ code: 'CODEX_NOT_FOUND' });
  });
});

// Windows starts no scripts.
describe.skipIf(WINDOWS)('a launcher of pnpm', async () => {
  const names = (await launchers()).filter((name) => /^pnpm.*\.sh$/.test(name));

  /**
   * Installs the launcher with its package into a home of pnpm. `own` is a line that the user
   * added.
   */
  async function installFromPnpm(
    codex: StubCodex,
    name: string,
    { home = path.join(codex.scratch, 'pnpm'), own = '' } = {},
  ): Promise<Installation> {
    const text = (await launcher(name)).replace('\n\n', `\n${own}\n`);
    const [, to = ''] = /exec node +"\$basedir\w*"?\/'?([^'"]+)['"]/.exec(text) ?? [];
    const isOfPnpm11 = to.startsWith('..');
    const command = path.join(home, isOfPnpm11 ? 'bin' : '', 'codex');
    const named = path.resolve(path.dirname(command), to, '../../..');
    // From 11 on the package is in the store, beside its dependencies, and linked.
    const modules = isOfPnpm11
      ? path.join(home, 'store/v11/links/codex/node_modules/@openai')
      : named;
    const native = await installPackage(modules, '0.169.0', BINARY);
    await mkdir(path.dirname(command), { recursive: true });
    if (isOfPnpm11) {
      await mkdir(named, { recursive: true });
      await symlink(path.join(modules, 'codex'), path.join(named, 'codex'));
    }
    await writeFile(command, text, { mode: 0o755 });
    return { command, native };
  }

  test.for(names)('leads to the native binary: %s', async (name, { codex }) => {
    const { command, native } = await installFromPnpm(codex, name);
    expect(await chosen(codex, { PATH: path.dirname(command) })).toBe(native);
  });

  test.for(names)(
    'is found without a PATH, with the version that it leads to: %s',
    async (name, { codex }) => {
      const home = path.join(codex.user, '.local/share/pnpm');
      const { native } = await installFromPnpm(codex, name, { home });
      const { PATH: _, ...env } = codex.env;
      expect(await checkCodex({ env })).toMatchObject({
        ready: true,
        codexPath: native,
        version: '0.169.0',
      });
    },
  );

  test.for(names)('is passed over if its store was moved: %s', async (name, { codex }) => {
    const { command, native } = await installFromPnpm(codex, name);
    await rename(path.dirname(native), path.join(codex.scratch, 'moved'));
    const script = (await checkCodex({ codexPath: command, env: codex.env })).codexPath;
    expect(script, 'its script may know where the binary is').toBe(command);
    await rm(path.join(codex.scratch, 'pnpm'), { recursive: true });
    await mkdir(path.dirname(command), { recursive: true });
    await writeFile(command, await launcher(name), { mode: 0o755 });
    const other = await install(codex, 'other/codex');
    const PATH = [command, other].map((file) => path.dirname(file)).join(path.delimiter);
    expect(await chosen(codex, { PATH })).toBe(other);
    expect(await failure(codex.generate(turn(), { codexPath: command }))).toMatchObject({
      code: 'CODEX_NOT_FOUND',
      message: expect.stringMatching(/script.*is not there.*npm install/) as string,
    });
  });

  test.for(names)('is run itself if the user added a line: %s', async (name, { codex }) => {
    const { command } = await installFromPnpm(codex, name, {
      own: 'export OF_THE_USER=1',
    });
    await codex.generate(turn(save('store', PICTURE)), { codexPath: command });
    expect((await codex.turn()).env).toMatchObject({ OF_THE_USER: '1' });
  });
});

describe.skipIf(WINDOWS)('a wrapper that the user wrote around the package', () => {
  test.for(['codexPath', 'CODEX_BIN', 'PATH'] as const)(
    'is run itself: %s',
    async (by, { codex }) => {
      const { command } = await installFromNpm(codex.scratch, '0.169.0', BINARY);
      const script = path.join(codex.scratch, 'lib/node_modules/@openai/codex/bin/codex.js');
      await rm(command);
      const text = `#!/bin/sh\nOF_THE_USER=1 exec node "${script}" "$@"\n`;
      await writeFile(command, text, { mode: 0o755 });
      const PATH = `${path.dirname(command)}${path.delimiter}${codex.env['PATH']}`;
      const env = { ...codex.env, ...(by === 'PATH' ? { PATH } : { CODEX_BIN: command }) };
      const codexPath = by === 'codexPath' ? command : null;
      await codex.generate(turn(save('store', PICTURE)), { codexPath, env });
      expect((await codex.turn()).env).toMatchObject({ OF_THE_USER: '1' });
    },
  );
});
