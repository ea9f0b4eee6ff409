// What a release builds and publishes. The workflow runs the first two, `npm run pack:check` the
// last.
//
//   node scripts/release.mjs addon [TARGET]    builds the addon for a target, into `artifacts/`
//   node scripts/release.mjs pack [DIRECTORY]  packs the package and one for each platform
//   node scripts/release.mjs check             installs and tries this machine's packages

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

import { ensureDependencies, ensureDist, main, npm, root, tool, UserError } from './bootstrap.mjs';
import { assertGlibcFloor, PROMISED_GLIBC } from './glibc.mjs';
import { ensurePython, ZIG } from './python.mjs';

const ARTIFACTS = 'artifacts';

/** @type {Record<string, (argument?: string) => Promise<void>>} */
const COMMANDS = {
  addon: buildForTarget,
  pack,
  async check() {
    await ensureDist();
    await buildForTarget();
    await tool('tsx', '__test__/pack/check.ts');
  },
};

await main(async () => {
  const [name = '', argument] = process.argv.slice(2);
  const command = COMMANDS[name];
  if (command === undefined) {
    throw new UserError(`no command is named ${name}: ${Object.keys(COMMANDS).join(', ')}`);
  }
  await ensureDependencies();
  await command(argument);
});

/**
 * Builds the addon as it is published. zig links it for Linux, because zig knows every version of
 * glibc and musl; macOS and Windows use their own linkers.
 *
 * @param {string} target
 */
async function buildForTarget(target = hostTarget()) {
  const { napi } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  if (!napi.targets.includes(target)) {
    throw new UserError(`${target} is not published. What is: ${napi.targets.join(', ')}`);
  }
  // `--no-js`: `loader/` serves every target.
  const build = ['build', '--platform', '--release', '--no-js', '--output-dir', ARTIFACTS];
  if (!target.includes('linux')) {
    await tool('@napi-rs/cli', ...build, '--target', target);
    return;
  }
  const bin = await ensurePython(ZIG);
  const cache = path.join(root, '.cache', 'zig');
  Object.assign(process.env, {
    PATH: [bin, process.env['PATH']].join(path.delimiter),
    CARGO_ZIGBUILD_CACHE_DIR: cache,
    ZIG_GLOBAL_CACHE_DIR: cache,
  });
  const gnu = target.endsWith('-gnu');
  const linked = gnu ? `${target}.${PROMISED_GLIBC}` : target;
  await tool('@napi-rs/cli', ...build, '--cross-compile', '--target', linked);
  if (gnu) {
    const arch = target.startsWith('x86_64') ? 'x64' : 'arm64';
    assertGlibcFloor(path.join(root, ARTIFACTS, `${napi.binaryName}.linux-${arch}-gnu.node`));
  }
}

/** The target that this machine's Rust builds for by default. */
function hostTarget() {
  const about = execFileSync('rustc', ['--version', '--verbose'], { encoding: 'utf8' });
  return /^host: (.*)$/m.exec(about)?.[1] ?? '';
}

/**
 * Packs into `packages/` the package itself, and into `packages/platforms/` one package for each
 * target. Every target needs its addon in `artifacts/`. Leaves package.json as it is published.
 *
 * @param {string} [where] a copy of the package
 */
async function pack(where = root) {
  const directory = path.resolve(where);
  const napi = (/** @type {string[]} */ ...args) =>
    tool('@napi-rs/cli', ...args, '--cwd', directory);
  if (!existsSync(path.join(directory, 'package.json'))) {
    throw new UserError(`There is no package.json in ${directory}.`);
  }
  await ensureDist();

  await napi('create-npm-dirs');
  const npmDirectory = path.join(directory, 'npm');
  const names = readdirSync(npmDirectory);
  assertAddons(directory, names);
  await napi('artifacts');
  const platforms = names.map((name) => path.join(npmDirectory, name));
  for (const platform of platforms) {
    copyFileSync(path.join(root, 'LICENSE'), path.join(platform, 'LICENSE'));
  }
  // Writes the exact versions of the platform packages into package.json.
  await napi('pre-publish', '--tag-style', 'npm', '--no-gh-release', '--skip-optional-publish');

  const packages = path.join(directory, 'packages');
  rmSync(packages, { recursive: true, force: true });
  mkdirSync(path.join(packages, 'platforms'), { recursive: true });
  const npmPack = ['pack', '--silent', '--pack-destination'];
  await npm(...npmPack, path.join(packages, 'platforms'), ...platforms);
  await npm(...npmPack, packages, directory);
}

/**
 * @param {string} directory
 * @param {readonly string[]} platforms
 */
function assertAddons(directory, platforms) {
  const manifest = readFileSync(path.join(directory, 'package.json'), 'utf8');
  const { binaryName } = JSON.parse(manifest).napi;
  const addons = platforms.map((platform) => `${binaryName}.${platform}.node`);
  const missing = addons.filter((addon) => !existsSync(path.join(directory, ARTIFACTS, addon)));
  if (missing.length > 0) {
    throw new UserError(
      `artifacts/ lacks ${missing.join(', ')}: a release takes them from its jobs, and ` +
        '`node scripts/release.mjs addon TARGET` builds one of them.',
    );
  }
}
