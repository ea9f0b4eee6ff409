// `npm run check:targets`: clippy of the whole crate, tests included, for the platforms that this machine is not. Nothing is linked,
// so no linker, C compiler or system library of theirs is needed; only Windows' std wants import libraries made. Names choose targets (`npm run check:targets -- aarch64-apple-darwin`).
//
// Where rustup has the targets, it is used. Elsewhere Debian's own toolchain, which comes with std's source, builds std as well:
// that takes minutes the first time, and then nothing (`.cache/targets`).

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { main, Refusal, root, run } from './bootstrap.mjs';

const TARGETS = [
  'x86_64-pc-windows-gnu',
  'aarch64-apple-darwin',
  'x86_64-unknown-linux-musl',
  'aarch64-unknown-linux-gnu',
];
const CACHE = path.join(root, '.cache', 'targets');
/** Debian's toolchain of a current version, and what each package brings that is needed here. */
const DEBIAN = {
  'rustc-web': '/usr/bin/rustc',
  'cargo-web': '/usr/bin/cargo',
  'rust-web-src': '/usr/lib/rustlib/src/rust/library/std/Cargo.toml',
  'rust-web-clippy': '/usr/bin/clippy-driver',
  // rustc makes the import libraries that std names with it.
  'binutils-mingw-w64-x86-64': '/usr/bin/x86_64-w64-mingw32-dlltool',
};

await main(async () => {
  const targets = process.argv.length > 2 ? process.argv.slice(2) : TARGETS;
  const unknown = targets.filter((target) => !TARGETS.includes(target));
  if (unknown.length > 0) {
    throw new Refusal(`no target is named ${unknown.join(', ')}: ${TARGETS.join(', ')}`);
  }
  if (hasStdOf(targets)) {
    await clippy('cargo', [], targets, {});
  } else if (await hasDebian()) {
    // Building std is for nightly toolchains only, unless they are told otherwise.
    const debian = { RUSTC: DEBIAN['rustc-web'], RUSTC_BOOTSTRAP: '1' };
    const PATH = ['/usr/bin', process.env['PATH']].join(path.delimiter);
    await clippy(
      DEBIAN['cargo-web'],
      ['-Zbuild-std=std,panic_unwind', '--target-dir', CACHE],
      targets,
      { ...debian, PATH },
    );
  } else {
    const packages = Object.keys(DEBIAN).join(' ');
    console.error(
      `Other platforms' std is needed: rustup target add ${targets.join(' ')}\n` +
        `or, on Debian, as root: apt-get install ${packages}`,
    );
    process.exitCode = 1;
  }
});

/**
 * @param {string} cargo
 * @param {readonly string[]} options
 * @param {readonly string[]} targets
 * @param {NodeJS.ProcessEnv} env
 */
async function clippy(cargo, options, targets, env) {
  // napi-build wants to see Node's library for windows-gnu, though nothing is linked with it.
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

/** Whether Debian's toolchain is there; installs it where that can be done. */
async function hasDebian() {
  const missing = Object.entries(DEBIAN).filter(([, file]) => !existsSync(file));
  if (missing.length === 0) return true;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return false;
  await run('apt-get', ['update', '--quiet']);
  const names = missing.map(([name]) => name);
  // Another installation may be under way.
  const options = ['--yes', '--quiet', '--no-install-recommends', '-oDPkg::Lock::Timeout=300'];
  await run('apt-get', ['install', ...options, ...names]);
  return true;
}
