// Runs npm.

import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

export interface NpmOptions {
  cwd: string;
  /** The Node that runs npm, whose version counts for `engines`. */
  node?: string;
  env?: NodeJS.ProcessEnv;
}

/** Runs npm and returns its output. */
export async function npm(args: readonly string[], options: NpmOptions): Promise<string> {
  const { cwd, node = process.execPath, env = process.env } = options;
  // npm tells its scripts its own path. Otherwise PATH has it, and on Windows only a shell starts
  // npm.cmd.
  const itself = process.env['npm_execpath'];
  const viaNode = itself !== undefined && /npm-cli\.c?js$/.test(itself);
  const [file, argv, shell] = viaNode
    ? ([node, [itself, ...args], false] as const)
    : (['npm', args, process.platform === 'win32'] as const);
  // npm's own children run on the same Node.
  const PATH = [path.dirname(node), env['PATH']].join(path.delimiter);
  try {
    const run = { cwd, shell, env: { ...env, PATH }, maxBuffer: 1 << 24 };
    return (await promisify(execFile)(file, argv, run)).stdout;
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
    throw new Error(`npm ${args.join(' ')} failed\n${output}`, { cause: error });
  }
}

/** Installs one package below `prefix`, without others. */
export async function npmInstall(prefix: string, spec: string): Promise<void> {
  const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'];
  await npm(['install', ...options, '--ignore-scripts', '--prefix', prefix, spec], { cwd: prefix });
}
