// `npm run check:targets`: runs clippy over the whole crate, tests included, for other platforms.
// `npm run check:targets -- aarch64-apple-darwin` names targets. Nothing is linked, so it needs no
// linker, C compiler or system library of theirs.
//
// Uses rustup's targets where they are installed. Otherwise it uses Debian's Rust, which comes with
// the source of std, and builds std as well: minutes the first time, nothing after that.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { main, root, run, UserError } from './bootstrap.mjs';

const TARGETS = [
  'x86_64-pc-windows-gnu',
  'aarch64-apple-darwin',
  'x86_64-unknown-linux-musl',
  'aarch64-unknown-linux-gnu',
];
const CACHE = path.join(root, '.cache', 'targets');
/** Debian's packages of a current Rust, each with a file that it installs. */
const DEBIAN = {
  'rustc-web': '/usr/bin/rustc',
  'cargo-web': '/usr/bin/cargo',
  'rust-web-src': '/usr/lib/rustlib/src/rust/library/std/Cargo.toml',
  'rust-web-clippy': '/usr/bin/clippy-driver',
  // std for Windows names import libraries; rustc makes them with dlltool.
  'binutils-mingw-w64-x86-64': '/usr/bin/x86_64-w64-mingw32-dlltool',
};

await main(async () => {
  const targets = process.argv.length > 2 ? process.argv.slice(2) : TARGETS;
  const unknown = targets.filter((target) => !TARGETS.includes(target));
  if (unknown.length > 0) {
    throw new UserError(`no target is named ${unknown.join(', ')}: ${TARGETS.join(', ')}`);
  }
  if (hasStdOf(targets)) {
    await clippy('cargo', [], targets, {});
    return;
  }
  const missing = Object.entries(DEBIAN).filter(([, file]) => !existsSync(file));
  if (missing.length > 0) {
    const packages = missing.map(([name]) => name).join(' ');
    throw new UserError(
      `Rust's standard library is missing: rustup target add ${targets.join(' ')}\n` +
        `or, on Debian, as root: apt-get install ${packages}`,
    );
  }
  // RUSTC_BOOTSTRAP: a stable Rust builds std only if told that it may.
  const debian = { RUSTC: DEBIAN['rustc-web'], RUSTC_BOOTSTRAP: '1' };
  const PATH = ['/usr/bin', process.env['PATH']].join(path.delimiter);
  const buildStd = ['-Zbuild-std=std,panic_unwind', '--target-dir', CACHE];
  await clippy(DEBIAN['cargo-web'], buildStd, targets, { ...debian, PATH });
});

/**
 * @param {string} cargo
 * @param {readonly string[]} options
 * @param {readonly string[]} targets
 * @param {NodeJS.ProcessEnv} env
 */
async function clippy(cargo, options, targets, env) {
  // napi-build looks for Node's library for windows-gnu, although nothing links with it.
  const library = path.join(CACHE, 'libnode');
  mkdirSync(library, { recursive: true });
  writeFileSync(path.join(library, 'libnode.dll'), '');
  const each = targets.flatMap((target) => ['--target', target]);
  await run(
    cargo,
    ['clippy', '--locked', '--all-targets', ...options, ...each, '--', '-D', 'warnings'],
    { env: { ...process.env, ...env, LIBNODE_PATH: library, CARGO_PROFILE_DEV_DEBUG: '0' } },
  );
}

/**
 * Whether rustup has std for all of `targets`.
 *
 * @param {readonly string[]} targets
 */
function hasStdOf(targets) {
  const { stdout } = spawnSync('rustup', ['target', 'list', '--installed'], { encoding: 'utf8' });
  const installed = stdout?.split('\n') ?? [];
  return targets.every((target) => installed.includes(target));
}
