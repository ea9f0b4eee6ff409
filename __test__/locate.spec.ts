// Which codex is run.

import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { type GenerateOptions } from '../index.js';
import { png } from './support/png.js';
import { save, STUB, type StubCodex, test, turn } from './support/stub.js';

const PICTURE = png();

/** Puts a stub at `file`, below the world's own scratch directory unless it is absolute. */
async function install(codex: StubCodex, file: string): Promise<string> {
  const target = path.resolve(codex.scratch, file);
  await mkdir(path.dirname(target), { recursive: true });
  await symlink(STUB, target);
  return target;
}

/** The path by which the CLI was started. */
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

describe('the order', () => {
  test('codexPath, before CODEX_BIN and PATH', async ({ codex }) => {
    const option = await install(codex, 'option/codex');
    const variable = await install(codex, 'variable/codex');
    const onPath = await install(codex, 'path/codex');
    const env = { CODEX_BIN: variable, PATH: path.dirname(onPath) };
    expect(await chosen(codex, env, { codexPath: option })).toBe(option);
  });

  test('CODEX_BIN, before PATH', async ({ codex }) => {
    const variable = await install(codex, 'variable/my-codex');
    const onPath = await install(codex, 'path/codex');
    expect(await chosen(codex, { CODEX_BIN: variable, PATH: path.dirname(onPath) })).toBe(variable);
  });

  test('the first on PATH', async ({ codex }) => {
    const first = await install(codex, 'first/codex');
    const second = await install(codex, 'second/codex');
    const PATH = [codex.scratch, path.dirname(first), path.dirname(second)].join(path.delimiter);
    expect(await chosen(codex, { PATH })).toBe(first);
  });

  test('on PATH, what cannot be run is passed over', async ({ codex }) => {
    await mkdir(path.join(codex.scratch, 'a directory/codex'), { recursive: true });
    await mkdir(path.join(codex.scratch, 'a text'));
    await writeFile(path.join(codex.scratch, 'a text/codex'), 'not a program', { mode: 0o644 });
    const usable = await install(codex, 'a program/codex');
    const PATH = ['a directory', 'a text', 'a program']
      .map((name) => path.join(codex.scratch, name))
      .join(path.delimiter);
    expect(await chosen(codex, { PATH })).toBe(usable);
  });
});

describe('CODEX_BIN', () => {
  test('may start with ~', async ({ codex }) => {
    const atHome = await install(codex, path.join(codex.user, 'tools/codex'));
    expect(await chosen(codex, { CODEX_BIN: '~/tools/codex' })).toBe(atHome);
  });

  test.for<[what: string, value: string]>([
    ['relative', 'codex'],
    ['blank', '  '],
    ['missing', '/nowhere/codex'],
    ['a directory', '/'],
    ['not executable', '/etc/passwd'],
  ])('is ignored when it is %s', async ([, CODEX_BIN], { codex }) => {
    const onPath = await install(codex, 'path/codex');
    expect(await chosen(codex, { CODEX_BIN, PATH: path.dirname(onPath) })).toBe(onPath);
  });
});

describe('the usual places, for a daemon whose PATH knows nothing of them', () => {
  test.for([
    '.local/bin',
    '.npm-global/bin',
    '.bun/bin',
    '.volta/bin',
    '.asdf/shims',
    '.cargo/bin',
    '.local/share/mise/shims',
    '.local/share/pnpm',
    '.nvm/versions/node/v22.1.0/bin',
    '.local/share/fnm/node-versions/v22.1.0/installation/bin',
  ])('~/%s', async (place, { codex }) => {
    const there = await install(codex, path.join(codex.user, place, 'codex'));
    expect(await chosen(codex, { PATH: codex.scratch })).toBe(there);
  });

  test('the newest of several versions', async ({ codex }) => {
    const place = (version: string) =>
      path.join(codex.user, `.nvm/versions/node/${version}/bin/codex`);
    await install(codex, place('v9.11.2'));
    const newest = await install(codex, place('v22.1.0'));
    await install(codex, place('v20.19.0'));
    expect(await chosen(codex, { PATH: codex.scratch })).toBe(newest);
  });
});

describe("behind npm's launcher", () => {
  const PLATFORMS: Record<string, [name: string, triple: string]> = {
    'linux-x64': ['codex-linux-x64', 'x86_64-unknown-linux-musl'],
    'linux-arm64': ['codex-linux-arm64', 'aarch64-unknown-linux-musl'],
    'darwin-x64': ['codex-darwin-x64', 'x86_64-apple-darwin'],
    'darwin-arm64': ['codex-darwin-arm64', 'aarch64-apple-darwin'],
  };
  const [platform, triple] = PLATFORMS[`${process.platform}-${process.arch}`] as [string, string];

  /** npm's global layout: `bin/codex` is a link to the package's script, itself a stub here. */
  async function installFromNpm(
    codex: StubCodex,
    binary: string | null,
  ): Promise<[string, string]> {
    const modules = path.join(codex.scratch, 'lib/node_modules/@openai');
    await mkdir(path.join(modules, 'codex/bin'), { recursive: true });
    await writeFile(
      path.join(modules, 'codex/package.json'),
      JSON.stringify({ name: '@openai/codex', version: '0.169.0', bin: { codex: 'bin/codex.js' } }),
    );
    const script = path.join(modules, 'codex/bin/codex.js');
    // A copy, because a link would lead out of the package; in a directory without a `type`, so it
    // only says where the stub is.
    await writeFile(script, `#!/usr/bin/env node\nimport(${JSON.stringify(`file://${STUB}`)});\n`);
    await chmod(script, 0o755);
    const command = path.join(codex.scratch, 'bin/codex');
    await mkdir(path.dirname(command));
    await symlink(script, command);
    const native = binary === null ? '' : await install(codex, path.join(modules, binary));
    return [command, native];
  }

  test.for([
    `${platform}/vendor/${triple}/bin/codex`,
    `${platform}/vendor/${triple}/codex/codex`,
    `codex/node_modules/@openai/${platform}/vendor/${triple}/bin/codex`,
    `codex/vendor/${triple}/codex/codex`,
  ])('the native binary is run: %s', async (binary, { codex }) => {
    const [command, native] = await installFromNpm(codex, binary);
    expect(await chosen(codex, { PATH: path.dirname(command) })).toBe(native);
  });

  test('also when the launcher is named by the option', async ({ codex }) => {
    const [command, native] = await installFromNpm(codex, `${platform}/vendor/${triple}/bin/codex`);
    expect(await chosen(codex, {}, { codexPath: command })).toBe(native);
  });

  test('the result knows the version that npm installed', async ({ codex }) => {
    const [codexPath] = await installFromNpm(codex, `${platform}/vendor/${triple}/bin/codex`);
    const image = await codex.generateDetailed(turn(save('store', PICTURE)), { codexPath });
    expect(image.codexVersion).toBe('0.169.0');
  });

  test('the launcher itself is run when there is no binary', async ({ codex }) => {
    const [command] = await installFromNpm(codex, null);
    expect(await chosen(codex, { PATH: path.dirname(command) })).toBe(command);
  });
});
