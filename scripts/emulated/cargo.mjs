// Runs cargo for other platforms: Debian's Rust, which comes with the source of std, and zig or
// MinGW as linker.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { run } from '../bootstrap.mjs';
import { ensurePython, ZIG } from '../python.mjs';
import { CACHE } from './fetch.mjs';

/** @import { Host, Platform } from './platforms.mjs' */

/** Debian's packages of it. */
export const RUST = ['rustc-web', 'cargo-web', 'rust-web-src'];

const TARGET = path.join(CACHE, 'target');
const INFLATING = ['crc32fast', 'fdeflate', 'png', 'simd-adler32'];

/**
 * Runs `cargo build`, or `cargo test` with the platform's emulator.
 *
 * @param {Platform} platform
 * @param {Pick<Host, 'runner' | 'env'>} host
 * @param {'build' | 'test'} command
 * @param {...string} args
 */
export async function cargoFor({ triple }, { runner, env }, command, ...args) {
  const linker = triple.includes('windows') ? mingw() : await zig(triple, command);
  const options = ['--locked', '-Zbuild-std=std,panic_unwind,test', '--target', triple];
  const settings = [
    // Without optimization, inflating in an emulator takes minutes.
    ...INFLATING.map((name) => `profile.dev.package.${name}.opt-level=3`),
    ...(runner.length > 0 ? [`target.${triple}.runner=${JSON.stringify(runner)}`] : []),
  ].flatMap((setting) => ['--config', setting]);
  await run(linker.program, [linker.command ?? command, ...options, ...settings, ...args], {
    env: {
      ...env,
      PATH: [...linker.path, '/usr/bin', process.env['PATH']].join(path.delimiter),
      CARGO: '/usr/bin/cargo',
      RUSTC: '/usr/bin/rustc',
      // A stable Rust builds std only if told that it may.
      RUSTC_BOOTSTRAP: '1',
      CARGO_TARGET_DIR: TARGET,
      // The same for the tests and the addon, so that their dependencies are built once.
      CARGO_PROFILE_DEV_DEBUG: 'none',
      ...linker.env,
    },
  });
}

/**
 * Paths of what was built.
 *
 * @param {Platform} platform
 * @param {'debug' | 'release'} profile
 */
export function built({ triple }, profile = 'debug') {
  const directory = path.join(TARGET, triple, profile);
  const [library, program] = triple.includes('windows')
    ? ['codex_image.dll', '.exe']
    : [`libcodex_image.${triple.includes('apple') ? 'dylib' : 'so'}`, ''];
  return {
    library: path.join(directory, library),
    stub: path.join(directory, 'examples', `stub-codex${program}`),
  };
}

/**
 * @param {string} triple
 * @param {string} command
 */
async function zig(triple, command) {
  const bin = await ensurePython(ZIG);
  // Programs contain musl, but an addon must use that of Node.
  const shared = triple.endsWith('-musl') ? { RUSTFLAGS: '-C target-feature=-crt-static' } : {};
  return {
    program: path.join(bin, 'cargo-zigbuild'),
    command: command === 'build' ? 'zigbuild' : command,
    path: [bin],
    env: shared,
  };
}

function mingw() {
  // napi-build looks for Node's library, although nothing links with it.
  const libnode = path.join(CACHE, 'libnode');
  mkdirSync(libnode, { recursive: true });
  writeFileSync(path.join(libnode, 'libnode.dll'), '');
  return {
    program: '/usr/bin/cargo',
    command: undefined,
    path: [],
    env: {
      CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER: 'x86_64-w64-mingw32-gcc',
      LIBNODE_PATH: libnode,
    },
  };
}
