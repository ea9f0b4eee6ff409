// Codex as `npm install --global @openai/codex` installs it, with a stub as the program.

import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { WINDOWS } from '../platform.js';
import { installStub, STUB_SCRIPT } from '../stub/stub-program.js';

const TRIPLES: Record<string, string> = {
  'darwin-arm64': 'aarch64-apple-darwin',
  'darwin-x64': 'x86_64-apple-darwin',
  'linux-arm64': 'aarch64-unknown-linux-musl',
  'linux-x64': 'x86_64-unknown-linux-musl',
  'win32-arm64': 'aarch64-pc-windows-msvc',
  'win32-x64': 'x86_64-pc-windows-msvc',
};
const platform = `${process.platform}-${process.arch}`;

/** The package with the program for this machine, and the program's path in it. */
export const PLATFORM_PACKAGE = `codex-${platform}`;
export const VENDOR = `vendor/${TRIPLES[platform]}`;

const other = `${process.platform}-${process.arch === 'x64' ? 'arm64' : 'x64'}`;

/** The same for the other processor that this system runs on. */
export const OTHER_PROCESSOR = { package: `codex-${other}`, vendor: `vendor/${TRIPLES[other]}` };

export interface Installation {
  /**
   * The entry of PATH: a link to the package's script, or on Windows a batch file that names it.
   */
  command: string;
  /** The program that it leads to. */
  native: string;
}

/**
 * Installs it below `prefix`, with the program at this path within `node_modules/@openai`, or
 * without one.
 */
export async function installFromNpm(
  prefix: string,
  version: string,
  binary: string | null,
): Promise<Installation> {
  const modules = path.join(prefix, ...(WINDOWS ? [] : ['lib']), 'node_modules', '@openai');
  const native = await installPackage(modules, version, binary);
  return { command: await installCommand(prefix, path.join(modules, SCRIPT)), native };
}

const SCRIPT = path.join('codex', 'bin', 'codex.js');

/**
 * Writes the package into `modules`, a `node_modules/@openai`, and returns the path of its program.
 */
export async function installPackage(
  modules: string,
  version: string,
  binary: string | null,
): Promise<string> {
  await mkdir(path.join(modules, 'codex', 'bin'), { recursive: true });
  const manifest = { name: '@openai/codex', version, bin: { codex: 'bin/codex.js' } };
  await writeFile(path.join(modules, 'codex', 'package.json'), JSON.stringify(manifest));
  // A copy, because a link would lead out of the package. In a directory without a `type`, so it
  // only names the stub.
  const program = `import(${JSON.stringify(pathToFileURL(STUB_SCRIPT))});`;
  await writeFile(path.join(modules, SCRIPT), `#!/usr/bin/env node\n${program}\n`, { mode: 0o755 });
  return binary === null ? '' : await installStub(path.join(modules, binary));
}

const LAUNCHERS = new URL('../../fixtures/launchers/', import.meta.url);

/** The names of the launchers that {@link launcher} returns. */
export async function launchers(): Promise<string[]> {
  return readdir(LAUNCHERS);
}

/** Returns a launcher as a package manager has written it, with this home. */
export async function launcher(name: string): Promise<string> {
  const text = await readFile(new URL(name, LAUNCHERS), 'utf8');
  return name.endsWith('.cmd') ? text.replaceAll(/\r?\n/g, '\r\n') : text;
}

async function installCommand(prefix: string, script: string): Promise<string> {
  if (WINDOWS) {
    const command = path.join(prefix, 'codex.cmd');
    await writeFile(command, await launcher('npm-cmd-shim-8.0.0.cmd'));
    return command;
  }
  const command = path.join(prefix, 'bin', 'codex');
  await mkdir(path.dirname(command), { recursive: true });
  await symlink(script, command);
  return command;
}
