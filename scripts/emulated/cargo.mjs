// Cargo for other platforms: Debian's, whose Rust comes with the source of its own library, linking with zig or with MinGW.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { run } from '../bootstrap.mjs';
import { ensurePython, ZIG } from '../python.mjs';
import { CACHE, debian } from './fetch.mjs';

/** @import { Host, Platform } from './platforms.mjs' */

const TARGET = path.join(CACHE, 'target');
const INFLATING = ['crc32fast', 'fdeflate', 'png', 'simd-adler32'];

/**
 * Runs `cargo build` or `cargo test`, and on behalf of the latter the tests.
 *
 * @param {Platform} platform
 * @param {Host} host
 * @param {'build' | 'test'} command
 * @param {...string} args
 */
export async function cargoFor({ triple }, { runner, env }, command, ...args) {
  await debian('rustc-web', 'cargo-web', 'rust-web-src');
  const linker = triple.includes('windows') ? mingw() : await zig(triple, command);
  const options = ['--locked', '-Zbuild-std=std,panic_unwind,test', '--target', triple];
  const settings = [
    // In an emulator, inflating takes minutes otherwise.
    ...INFLATING.map((name) => `profile.dev.package.${name}.opt-level=3`),
    ...(runner.length > 0 ? [`target.${triple}.runner=${JSON.stringify(runner)}`] : []),
  ].flatMap((setting) => ['--config', setting]);
  await run(linker.program, [linker.command ?? command, ...options, ...settings, ...args], {
    env: {
      ...env,
      PATH: [...linker.path, '/usr/bin', process.env['PATH']].join(path.delimiter),
      CARGO: '/usr/bin/cargo',
      RUSTC: '/usr/bin/rustc',
      // A stable Rust builds its own library only if told that it may.
      RUSTC_BOOTSTRAP: '1',
      CARGO_TARGET_DIR: TARGET,
      // One profile for tests and addon, so that everything else is built once.
      CARGO_PROFILE_DEV_DEBUG: 'none',
      ...linker.env,
    },
  });
}

/**
 * Where the results are.
 *
 * @param {Platform} platform
 */
export function built({ triple }) {
  const directory = path.join(TARGET, triple, 'debug');
  const [library, program] = triple.includes('windows')
    ? ['codex_image.dll', '.exe']
    : ['libcodex_image.so', ''];
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
  // musl is linked into programs, but what a program loads must use that program's.
  const shared = triple.endsWith('-musl') ? { RUSTFLAGS: '-C target-feature=-crt-static' } : {};
  return {
    program: path.join(bin, 'cargo-zigbuild'),
    command: command === 'build' ? 'zigbuild' : command,
    path: [bin],
    env: shared,
  };
}

function mingw() {
  // napi-build wants to see Node's library, though nothing is linked with it.
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
