// `npm run packages [-- DIRECTORY]`: what a release publishes, in `packages/`: the package, and
// below `platforms/` a package with each of the addons in `artifacts/`, all of which have to be
// there. Of the directory, or else of this one, package.json is left as it is published.

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

import { ensureDependencies, ensureDist, main, npm, Refusal, root, tool } from './bootstrap.mjs';

await main(async () => {
  const directory = path.resolve(process.argv[2] ?? root);
  const napi = (/** @type {string[]} */ ...args) =>
    tool('@napi-rs/cli', ...args, '--cwd', directory);
  const isPackage = existsSync(path.join(directory, 'package.json'));
  if (!isPackage) throw new Refusal(`There is no package.json in ${directory}.`);
  await ensureDependencies();
  await ensureDist();

  await napi('create-npm-dirs');
  const npmDirectory = path.join(directory, 'npm');
  const names = readdirSync(npmDirectory);
  expectAddons(directory, names);
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
  const pack = ['pack', '--silent', '--pack-destination'];
  await npm(...pack, path.join(packages, 'platforms'), ...platforms);
  await npm(...pack, packages, directory);
});

/**
 * @param {string} directory
 * @param {readonly string[]} platforms
 */
function expectAddons(directory, platforms) {
  const manifest = readFileSync(path.join(directory, 'package.json'), 'utf8');
  const { binaryName } = JSON.parse(manifest).napi;
  const addons = platforms.map((platform) => `${binaryName}.${platform}.node`);
  const isMissing = (/** @type {string} */ addon) =>
    !existsSync(path.join(directory, 'artifacts', addon));
  const missing = addons.filter((addon) => isMissing(addon));
  if (missing.length > 0) {
    throw new Refusal(
      `artifacts/ lacks ${missing.join(', ')}: a release takes them from its jobs, and ` +
        '`npm run build:target -- TARGET` builds one of them.',
    );
  }
}
