// Shared by the scripts: running programs, and installing and building what is missing in a fresh
// clone. Imports only Node's own modules, because `node_modules` may not exist yet.

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** The sources of the native addon. */
const ADDON_SOURCES = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'package.json', 'src'];
/** The sources of `dist/`. */
const DIST_SOURCES = [
  'tsdown.config.mts',
  'tsconfig.json',
  'package-lock.json',
  'bin',
  'open-design',
  // `bin/demo-backend.mts` imports them.
  '__test__/support/loopback/backend.ts',
  '__test__/support/loopback',
  '__test__/support/image/picture.ts',
];

/** A program that failed. Its own output says why. */
export class StepFailed extends Error {
  /** @param {string} what @param {number} exitCode */
  constructor(what, exitCode) {
    super(`${what} failed`);
    this.exitCode = exitCode;
  }
}

/** An error that the user of a script can fix. Only its message is printed. */
export class UserError extends Error {}

/**
 * Runs a script's body. If a step fails, the process exits with the step's exit code and prints
 * nothing more, so that the tool's own output comes last. A {@link UserError} or a program that is
 * not installed is reported in one sentence.
 *
 * @param {() => Promise<void>} body
 */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (error instanceof StepFailed) {
      process.exitCode = error.exitCode;
      return;
    }
    const sentence = error instanceof UserError ? error.message : missingProgram(error);
    if (sentence === undefined) throw error;
    console.error(sentence);
    process.exitCode = 1;
  }
}

/**
 * Runs a program on this terminal, by default from the root of the package, and waits for it.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {object} [options]
 * @param {string} [options.cwd]
 * @param {boolean} [options.shell]
 * @param {NodeJS.ProcessEnv} [options.env]
 * @param {import('node:child_process').StdioOptions} [options.stdio]
 */
export async function run(
  program,
  args,
  { cwd = root, shell = false, env = process.env, stdio = 'inherit' } = {},
) {
  const child = spawn(program, args, { cwd, stdio, shell, env });
  // Ctrl-C reaches the child as well. Ignored here, so that the shell's prompt comes back only
  // after the child's last output.
  const wait = () => {};
  const pass = () => child.kill('SIGTERM');
  process.on('SIGINT', wait).on('SIGTERM', pass);
  try {
    const exitCode = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) =>
        resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL']),
      );
    });
    if (exitCode !== 0) throw new StepFailed([program, ...args].join(' '), exitCode);
  } finally {
    process.off('SIGINT', wait).off('SIGTERM', pass);
  }
}

/**
 * Runs the command of a development dependency, the first if it has several. Starts its script with
 * this Node: without a shell, no platform needs quoting.
 *
 * @param {string} name of the package
 * @param {...string} args
 */
export async function tool(name, ...args) {
  const directory = path.join(root, 'node_modules', name);
  const { bin } = JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8'));
  const script = typeof bin === 'string' ? bin : Object.values(bin)[0];
  await run(process.execPath, [path.join(directory, script), ...args]);
}

/** @param {...string} args */
export async function cargo(...args) {
  await run('cargo', args);
}

/**
 * Builds a program of crates.io below `.cache/` if it is missing, and returns its path.
 *
 * @param {string} name
 * @param {string} version exact
 */
export async function ensureCargoTool(name, version) {
  const home = path.join(root, '.cache', `${name}-${version}`);
  const program = path.join(home, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  if (!existsSync(program)) {
    await cargo('install', name, '--locked', '--version', version, '--root', home);
  }
  return program;
}

/** Installs the development dependencies when they are missing or older than the lock file. */
export async function ensureDependencies() {
  const installed = modified('node_modules/.package-lock.json');
  if (installed < modified('package-lock.json')) await npm('ci');
}

/** @param {...string} args */
export async function npm(...args) {
  // `npm run` names npm's script. Otherwise npm has to be on PATH; on Windows it is a batch file,
  // which needs a shell.
  const script = process.env['npm_execpath'];
  if (script?.endsWith('.js')) await run(process.execPath, [script, ...args]);
  else await run('npm', args, { shell: process.platform === 'win32' });
}

/** Builds the release addon if there is none, or only one older than its sources. */
export async function ensureAddon() {
  const ours = `codex-image.${process.platform}-${process.arch}`;
  const built = readdirSync(root).filter((name) => name.startsWith(ours) && name.endsWith('.node'));
  const newest = Math.max(0, ...built.map((name) => modified(name)));
  if (newest < newestOf(ADDON_SOURCES)) await buildAddon('--release');
}

/** Builds `dist/` when it is missing or older than its sources. */
export async function ensureDist() {
  if (modified('dist/cli.mjs') < newestOf(DIST_SOURCES)) await buildDist();
}

/**
 * Builds the addon and writes `index.d.ts`.
 *
 * @param {...string} args of `napi build`
 */
export async function buildAddon(...args) {
  // `--no-js`: `loader/` has the names of the addons, and says why one cannot be loaded.
  // TypeScript's `isolatedModules` cannot use const enums.
  await tool('@napi-rs/cli', 'build', '--platform', '--no-js', '--no-const-enum', ...args);
}

/** Builds the published TypeScript: `open-design/` and the command line. */
export async function buildDist() {
  await tool('tsdown', '--log-level', 'warn');
}

/** @param {readonly string[]} names relative to the root */
function newestOf(names) {
  return Math.max(...names.map((name) => modified(name)));
}

/**
 * Modification time of a file, or of the newest file below a directory; 0 if there is none.
 *
 * @param {string} name relative to the root
 * @returns {number}
 */
function modified(name) {
  const stats = statSync(path.join(root, name), { throwIfNoEntry: false });
  if (!stats) return 0;
  if (!stats.isDirectory()) return stats.mtimeMs;
  const entries = readdirSync(path.join(root, name));
  return Math.max(stats.mtimeMs, ...entries.map((entry) => modified(path.join(name, entry))));
}

/**
 * Names the program, if the error is that it is not installed.
 *
 * @param {unknown} error
 */
function missingProgram(error) {
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return undefined;
  const [call, program] = String(error.syscall).split(' ', 2);
  if (error.code !== 'ENOENT' || !call?.startsWith('spawn')) return undefined;
  return `${program} was not found. CONTRIBUTING.md lists what you need.`;
}
