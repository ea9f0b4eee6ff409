// What a release builds and publishes. The workflow runs the first four, `npm run pack:check` the
// last.
//
//   node scripts/release.mjs tag NAME          compares package.json with the tag of the release
//   node scripts/release.mjs addon [TARGET]    builds the addon for a target, into `artifacts/`
//   node scripts/release.mjs pack [DIRECTORY]  packs the package and one for each platform
//   node scripts/release.mjs sbom              writes what the packages contain, as CycloneDX
//   node scripts/release.mjs check             installs and tries this machine's packages

import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

import {
  ensureCargoTool,
  ensureDependencies,
  ensureDist,
  main,
  npm,
  root,
  tool,
  UserError,
} from './bootstrap.mjs';
import { assertLoadable, cratesIn, PLACEHOLDER, PROMISED_GLIBC } from './binaries.mjs';
import { components } from './inventory.mjs';
import { NOTICES } from './notices.mjs';
import { ensurePython, ZIG } from './python.mjs';
import { assertReleasable, missingRepository, repositoryMembers } from './repository.mjs';

const ARTIFACTS = 'artifacts';

/** @type {Record<string, (argument?: string) => Promise<void>>} */
const COMMANDS = {
  async tag(name = '') {
    assertReleasable(manifestIn(root), name, process.env['GITHUB_REPOSITORY']);
  },
  addon: buildForTarget,
  pack,
  sbom: writeSbom,
  async check() {
    await ensureDist();
    await buildForTarget();
    await tool('tsx', '__test__/pack/check.ts');
    const missing = missingRepository(manifestIn(root));
    if (missing !== undefined) console.log(`\n${missing}`);
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

/** @param {string} directory */
function manifestIn(directory) {
  return JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8'));
}

/**
 * Builds the addon as it is published. zig links it for Linux, because zig knows every version of
 * glibc and musl; macOS and Windows use their own linkers.
 *
 * @param {string} target
 */
async function buildForTarget(target = hostTarget()) {
  const { napi } = manifestIn(root);
  if (!napi.targets.includes(target)) {
    throw new UserError(`${target} is not published. What is: ${napi.targets.join(', ')}`);
  }
  await embedCrates();
  // `--no-js`: `loader/` serves every target.
  const build = ['build', '--platform', '--release', '--no-js', '--output-dir', ARTIFACTS];
  if (target.includes('linux')) {
    const bin = await ensurePython(ZIG);
    const cache = path.join(root, '.cache', 'zig');
    Object.assign(process.env, {
      PATH: [bin, process.env['PATH']].join(path.delimiter),
      CARGO_ZIGBUILD_CACHE_DIR: cache,
      ZIG_GLOBAL_CACHE_DIR: cache,
    });
    const linked = target.endsWith('-gnu') ? `${target}.${PROMISED_GLIBC}` : target;
    await tool('@napi-rs/cli', ...build, '--cross-compile', '--target', linked);
  } else {
    await tool('@napi-rs/cli', ...build, '--target', target);
  }
  const { parseTriple } = await import('@napi-rs/cli');
  const { platformArchABI } = parseTriple(target);
  assertLoadable(path.join(root, ARTIFACTS, `${napi.binaryName}.${platformArchABI}.node`));
}

/**
 * Lets rustc put the list of its crates into the addon, for `cargo audit bin` and other scanners.
 * napi's command line calls cargo itself, so this sets what `cargo auditable build` would set.
 */
async function embedCrates() {
  Object.assign(process.env, {
    RUSTC_WORKSPACE_WRAPPER: await ensureCargoTool('cargo-auditable', '0.7.7'),
    CARGO_AUDITABLE_ORIG_ARGS: JSON.stringify({
      offline: false,
      locked: true,
      frozen: false,
      config: [],
    }),
  });
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
 * @param {string} [where] a copy of the package, which may lack a repository and some addons
 */
async function pack(where = root) {
  const directory = path.resolve(where);
  const napi = (/** @type {string[]} */ ...args) =>
    tool('@napi-rs/cli', ...args, '--cwd', directory);
  if (!existsSync(path.join(directory, 'package.json'))) {
    throw new UserError(`There is no package.json in ${directory}.`);
  }
  const manifest = manifestIn(directory);
  const missing = missingRepository(manifest);
  if (missing !== undefined && directory === path.resolve(root)) throw new UserError(missing);
  const published = JSON.stringify({ ...manifest, ...repositoryMembers(manifest) }, undefined, 2);
  writeFileSync(path.join(directory, 'package.json'), `${published}\n`);

  await napi('create-npm-dirs');
  const npmDirectory = path.join(directory, 'npm');
  const names = readdirSync(npmDirectory);
  assertAddons(directory, names);
  await ensureDist();
  await napi('artifacts');
  const platforms = names.map((name) => path.join(npmDirectory, name));
  for (const platform of platforms) {
    for (const name of ['LICENSE', NOTICES]) {
      copyFileSync(path.join(root, name), path.join(platform, name));
    }
    // npm packs the licence by itself.
    const { files, ...rest } = manifestIn(platform);
    const whole = { ...rest, files: [...files, NOTICES] };
    writeFileSync(path.join(platform, 'package.json'), `${JSON.stringify(whole, undefined, 2)}\n`);
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
  const { binaryName } = manifestIn(directory).napi;
  const addons = platforms.map((platform) => `${binaryName}.${platform}.node`);
  const missing = addons.filter((addon) => !existsSync(path.join(directory, ARTIFACTS, addon)));
  if (missing.length > 0) {
    throw new UserError(
      `artifacts/ lacks ${missing.join(', ')}: a release takes them from its jobs, and ` +
        '`node scripts/release.mjs addon TARGET` builds one of them.',
    );
  }
  for (const addon of addons) {
    const file = path.join(directory, ARTIFACTS, addon);
    const isPlaceholder = readFileSync(file).equals(Buffer.from(PLACEHOLDER));
    if (directory !== path.resolve(root) && isPlaceholder) continue;
    assertLoadable(file);
    assertNamed(file);
  }
}

/**
 * Fails if the addon has a crate that the notices do not name.
 *
 * @param {string} file
 */
function assertNamed(file) {
  const notices = readFileSync(path.join(root, NOTICES), 'utf8');
  const unnamed = cratesIn(file).filter(
    ({ name, version }) => !notices.includes(`\n  crate ${name} ${version} (`),
  );
  if (unnamed.length > 0) {
    const names = unnamed.map(({ name, version }) => `${name} ${version}`);
    throw new UserError(`${NOTICES} lacks ${names.join(', ')}. Run: npm run notices`);
  }
}

/**
 * Writes `packages/codex-image.cdx.json`: what the nine packages contain, as CycloneDX.
 */
async function writeSbom() {
  const { name, version, license } = manifestIn(root);
  const sbom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'library',
        name,
        version,
        purl: `pkg:npm/${name}@${version}`,
        licenses: [{ expression: license }],
      },
    },
    components: (await components()).map(({ registry, ...component }) => ({
      type: 'library',
      'bom-ref': purl(registry, component),
      name: component.name,
      version: component.version,
      purl: purl(registry, component),
      // Older crates write a choice with a slash.
      licenses: [{ expression: component.licence.replaceAll('/', ' OR ') }],
    })),
  };
  mkdirSync(path.join(root, 'packages'), { recursive: true });
  const file = path.join(root, 'packages', `${name}.cdx.json`);
  writeFileSync(file, `${JSON.stringify(sbom, undefined, 2)}\n`);
}

/**
 * @param {string} registry
 * @param {{ name: string, version: string }} component
 */
function purl(registry, { name, version }) {
  return `pkg:${registry}/${name.replace('@', '%40')}@${encodeURIComponent(version)}`;
}
