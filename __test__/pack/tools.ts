// Runtimes and package managers from npm, which are kept in `.cache/pack` for the next time.

import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

import { npmInstall } from '../support/npm/npm.js';
import { work } from './release.js';

const run = promisify(execFile);
const { arch, platform } = process;
const BUN = `@oven/bun-${platform}-${arch === 'arm64' ? 'aarch64' : arch}`;
const DENO = `@deno/${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}`;
const BUN_VERSION = '1.4.5';
export const DENO_VERSION = '2.9.6';
/** For what runs under one Node alone, such as the recipes of the documentation. */
export const USUAL_NODE = '24.21.0';
const NODES = ['20.20.2', '22.23.3', USUAL_NODE, '26.12.1'];

/** The npm package of each tool, and its program. */
const TOOLS = {
  pnpm: ['pnpm@10.34.9', 'bin/pnpm.cjs'],
  yarn1: ['yarn@1.22.22', 'bin/yarn.js'],
  yarn4: ['@yarnpkg/cli-dist@4.18.1', 'bin/yarn.js'],
  bun: [`${BUN}@${BUN_VERSION}`, 'bin/bun'],
  deno: [`${DENO}@${DENO_VERSION}`, 'deno'],
  jest: ['jest@30.4.2', 'bin/jest.js'],
} as const;

export type Tool = keyof typeof TOOLS;

/** Returns the program of a tool. */
export async function fetchTool(tool: Tool): Promise<string> {
  const [spec, program] = TOOLS[tool];
  const name = spec.slice(0, spec.lastIndexOf('@'));
  const home = path.join(work, spec.replaceAll('/', '+'));
  const installed = path.join(home, 'node_modules', name);
  const manifest = await readFile(path.join(installed, 'package.json'), 'utf8').catch(() => '{}');
  if (JSON.parse(manifest).version === undefined) {
    await mkdir(home, { recursive: true });
    await npmInstall(home, spec);
  }
  return path.join(installed, program);
}

/** Returns that version of Node, from npm's package for this platform. */
export async function fetchNode(version: string): Promise<string> {
  const name = `node-${platform === 'win32' ? 'win' : platform}-${arch}`;
  const home = path.join(work, `node-${version}`);
  const node = path.join(home, 'node_modules', name, 'bin', 'node');
  const is = await run(node, ['--version']).catch(() => undefined);
  if (is?.stdout.trim() !== `v${version}`) {
    await mkdir(home, { recursive: true });
    await npmInstall(home, `${name}@${version}`);
  }
  return node;
}

export type Command = readonly [file: string, ...args: string[]];

/** What runs the package. */
export interface Runtime {
  title: string;
  /** Runs the program whose file follows. */
  run: Command;
  /** What npm does for Node. */
  others?: {
    /** Installs the package. */
    add: Command;
    /** Runs a command of the package. */
    command: (name: string) => Command;
    /** The addons that it installs besides the needed one. */
    superfluous: string[];
  };
}

/** Returns the runtimes that the package is tried with, the oldest Node first. */
export async function fetchRuntimes(): Promise<Runtime[]> {
  const nodes: Runtime[] = [];
  for (const version of NODES) {
    nodes.push({ title: `Node ${version}`, run: [await fetchNode(version)] });
  }
  const bun = await fetchTool('bun');
  const deno = await fetchTool('deno');
  const allowed = ['--no-prompt', '--allow-ffi', '--allow-env', '--allow-read'];
  return [
    ...nodes,
    {
      title: `Bun ${BUN_VERSION}`,
      run: [bun],
      others: {
        add: [bun, 'add', 'codex-image'],
        command: (name) => [bun, 'run', '--bun', name],
        superfluous: [],
      },
    },
    {
      title: `Deno ${DENO_VERSION}`,
      run: [deno, 'run', ...allowed],
      others: {
        add: [deno, 'install', 'npm:codex-image'],
        command: (name) => [deno, 'run', ...allowed, '--allow-write', `npm:codex-image/${name}`],
        // Deno goes by `os` and `cpu`, but not by `libc`.
        superfluous: platform === 'linux' ? [`codex-image-linux-${arch}-musl`] : [],
      },
    },
  ];
}

/**
 * Makes an empty project whose registry is the given one, for every package manager. Returns the
 * variables by which the package managers keep their caches in it: a package of the same version
 * that was published earlier must not be found in a cache.
 */
export async function makeProject(directory: string, registry: string): Promise<NodeJS.ProcessEnv> {
  await mkdir(directory, { recursive: true });
  const files = {
    'package.json': '{ "private": true }',
    '.npmrc': `registry=${registry}\n`,
    'yarn.lock': '',
    '.yarnrc.yml': `npmRegistryServer: "${registry}"\nunsafeHttpWhitelist: ["127.0.0.1"]\nenableTelemetry: false\nnpmMinimalAgeGate: 0\n`,
    'deno.json': '{ "nodeModulesDir": "auto" }',
  };
  for (const [name, text] of Object.entries(files))
    await writeFile(path.join(directory, name), text);
  const caches = path.join(directory, '.caches');
  return {
    npm_config_store_dir: path.join(caches, 'pnpm'),
    YARN_CACHE_FOLDER: path.join(caches, 'yarn'),
    YARN_GLOBAL_FOLDER: path.join(caches, 'berry'),
    BUN_INSTALL_CACHE_DIR: path.join(caches, 'bun'),
    DENO_DIR: path.join(caches, 'deno'),
  };
}
