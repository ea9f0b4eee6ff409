// Installs and finds the real CLI in its supported versions.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { npmInstall } from '../npm/npm.js';
import { WINDOWS } from '../platform.js';

export { NEWEST, OLDEST, SUPPORTED } from '../codex-versions.mjs';

export interface CodexCli {
  version: string;
  /** The Node script that npm links as `codex`. */
  launcher: string;
  /** The native program behind the launcher. */
  binary: string;
}

const installing = new Map<string, Promise<CodexCli>>();

/** Returns that version of the real CLI, from npm if it is not in the cache. */
export function installCodex(version: string): Promise<CodexCli> {
  let cli = installing.get(version);
  if (cli === undefined) {
    cli = findOrInstall(version);
    installing.set(version, cli);
    // A failure is not cached: the next attempt may have a network.
    cli.catch(() => installing.delete(version));
  }
  return cli;
}

async function findOrInstall(version: string): Promise<CodexCli> {
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) throw new TypeError(`not a version: ${version}`);
  const cache = process.env['CODEX_IMAGE_CLI_CACHE'] ?? fileURLToPath(DEFAULT_CACHE);
  const home = join(cache, version);
  return (await find(home, version)) ?? (await install(cache, home, version));
}

const DEFAULT_CACHE = new URL('../../../.cache/codex', import.meta.url);

async function find(home: string, version: string): Promise<CodexCli | undefined> {
  const root = join(home, 'node_modules', '@openai', 'codex');
  try {
    const manifest = await readFile(join(root, 'package.json'), 'utf8');
    if (!manifest.includes(`"version": "${version}"`)) return undefined;
    const launcher = join(root, 'bin', 'codex.js');
    return { version, launcher, binary: await nativeBinary(launcher) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** `vendor/<triple>/bin/codex`; 0.132.0 still has it at `vendor/<triple>/codex/codex`. */
async function nativeBinary(launcher: string): Promise<string> {
  const platformPackage = `@openai/codex-${process.platform}-${process.arch}/package.json`;
  const vendor = join(dirname(createRequire(launcher).resolve(platformPackage)), 'vendor');
  const program = WINDOWS ? 'codex.exe' : 'codex';
  const [triple = ''] = await readdir(vendor);
  const current = join(vendor, triple, 'bin', program);
  if (await isFile(current)) return current;
  const earlier = join(vendor, triple, 'codex', program);
  await stat(earlier);
  return earlier;
}

/**
 * Several test workers may install the same version at once. Each installs into its own directory
 * and renames that into place, so the cache never has half an installation. All but the first are
 * discarded.
 */
async function install(cache: string, home: string, version: string): Promise<CodexCli> {
  await mkdir(cache, { recursive: true });
  const staging = await mkdtemp(join(cache, `.installing-${version}-`));
  try {
    await npmInstall(staging, `@openai/codex@${version}`);
    // Fails if another process was first, and then the copy counts.
    const refusal = await moveTo(home, staging);
    const cli = await find(home, version);
    if (cli === undefined) throw new Error(`no codex ${version} in ${home}`, { cause: refusal });
    return cli;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Resolves with the error, if there is one. */
async function moveTo(home: string, staging: string): Promise<unknown> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const refusal = await rename(staging, home).catch((error: unknown) => error);
    // On Windows a new directory cannot be renamed while a virus scanner reads it.
    const isHeld = WINDOWS && refusal !== undefined && !existsSync(home);
    if (!isHeld || performance.now() > deadline) return refusal;
    await sleep(100);
  }
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return ['ENOENT', 'ENOTDIR', 'MODULE_NOT_FOUND'].includes(code);
}
