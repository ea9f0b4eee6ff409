// `npm run packages [-- DIRECTORY]`: what a release publishes, in `packages/`: the package, and below `platforms/` a package with
// each of the addons in `artifacts/`. Of the directory, or else of this one, package.json is left as it is published.

import { copyFileSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';

import { ensureDependencies, main, npm, root, tool } from './bootstrap.mjs';

await main(async () => {
  const directory = path.resolve(process.argv[2] ?? root);
  const napi = (/** @type {string[]} */ ...args) =>
    tool('@napi-rs/cli', ...args, '--cwd', directory);
  await ensureDependencies();

  await napi('create-npm-dirs');
  await napi('artifacts');
  const npmDirectory = path.join(directory, 'npm');
  const platforms = readdirSync(npmDirectory).map((name) => path.join(npmDirectory, name));
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
