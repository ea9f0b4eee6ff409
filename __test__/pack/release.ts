// Publishes a release to a registry on the loopback interface, from a copy of this checkout.

import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { PLACEHOLDER } from '../../scripts/binaries.mjs';
import { npm } from '../support/npm/npm.js';
import type { Registry } from './registry.js';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const work = path.join(root, '.cache', 'pack');

/** By platform: the conditions under which npm installs its package. */
export const PLATFORMS: Record<string, { os: string[]; cpu: string[]; libc?: string[] }> = {
  'darwin-arm64': { os: ['darwin'], cpu: ['arm64'] },
  'darwin-x64': { os: ['darwin'], cpu: ['x64'] },
  'linux-arm64-gnu': { os: ['linux'], cpu: ['arm64'], libc: ['glibc'] },
  'linux-arm64-musl': { os: ['linux'], cpu: ['arm64'], libc: ['musl'] },
  'linux-x64-gnu': { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
  'linux-x64-musl': { os: ['linux'], cpu: ['x64'], libc: ['musl'] },
  'win32-arm64-msvc': { os: ['win32'], cpu: ['arm64'] },
  'win32-x64-msvc': { os: ['win32'], cpu: ['x64'] },
};

/** The platform of this machine. On Linux its Node uses glibc. */
const ABI: Partial<Record<NodeJS.Platform, string>> = { linux: '-gnu', win32: '-msvc' };
export const host = `${process.platform}-${process.arch}${ABI[process.platform] ?? ''}`;

/** An environment in which npm uses this registry alone, without the settings of an outer npm. */
export async function npmEnvironment({ origin }: Registry): Promise<NodeJS.ProcessEnv> {
  const userconfig = path.join(work, 'npmrc');
  const lines = [`registry=${origin}`, `//${new URL(origin).host}/:_authToken=token`];
  await writeFile(userconfig, `${lines.join('\n')}\n`);
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  return {
    ...Object.fromEntries(own),
    npm_config_userconfig: userconfig,
    // A package of the same version that was published earlier must not be found in a cache.
    npm_config_cache: path.join(work, 'npm'),
    npm_config_update_notifier: 'false',
    npm_config_loglevel: 'error',
  };
}

/** Stands for the repository until package.json names one. */
const SOME_REPOSITORY = 'github:OWNER/NAME';

/**
 * Publishes the package and its platform packages. A file replaces the addons that were not built.
 */
export async function release(env: NodeJS.ProcessEnv): Promise<void> {
  const copy = path.join(work, 'release');
  await rm(copy, { recursive: true, force: true });
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  const included = (manifest.files as string[]).filter((name) => !name.startsWith('!'));
  for (const name of ['README.md', 'LICENSE', ...included]) {
    await cp(path.join(root, name), path.join(copy, name), { recursive: true });
  }
  const whole = JSON.stringify({ repository: SOME_REPOSITORY, ...manifest });
  await writeFile(path.join(copy, 'package.json'), whole);
  const artifacts = path.join(copy, 'artifacts');
  await mkdir(artifacts);
  for (const platform of Object.keys(PLATFORMS)) {
    const addon = `codex-image.${platform}.node`;
    if (platform === host)
      await cp(path.join(root, 'artifacts', addon), path.join(artifacts, addon));
    else await writeFile(path.join(artifacts, addon), PLACEHOLDER);
  }
  await promisify(execFile)(process.execPath, [
    path.join(root, 'scripts', 'release.mjs'),
    'pack',
    copy,
  ]);

  const packages = path.join(copy, 'packages');
  const tarballs = (await readdir(packages, { recursive: true })).filter((name) =>
    name.endsWith('.tgz'),
  );
  // Those below `platforms/` first, so that the package never lacks them.
  for (const tarball of tarballs.toSorted().toReversed()) {
    await npm(['publish', `./${tarball}`], { cwd: packages, env });
  }
}
