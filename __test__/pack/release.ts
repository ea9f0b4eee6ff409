// A release, but to a registry on the loopback interface: the same packages, made in a copy of this one.

import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { npm } from '../support/npm.js';
import type { Registry } from './registry.js';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const work = path.join(root, '.cache', 'pack');

/** By the name of the platform: where npm is to install its package, and nowhere else. */
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

/** The platform of this machine, whose Node is linked with glibc if it is Linux. */
const ABI: Partial<Record<NodeJS.Platform, string>> = { linux: '-gnu', win32: '-msvc' };
export const host = `${process.platform}-${process.arch}${ABI[process.platform] ?? ''}`;

/** The environment in which npm has this registry alone, and nothing of an outer npm's. */
export async function npmEnvironment({ origin }: Registry): Promise<NodeJS.ProcessEnv> {
  const userconfig = path.join(work, 'npmrc');
  const lines = [`registry=${origin}`, `//${new URL(origin).host}/:_authToken=token`];
  await writeFile(userconfig, `${lines.join('\n')}\n`);
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
  return {
    ...Object.fromEntries(own),
    npm_config_userconfig: userconfig,
    // What was published under the same version an hour ago is not to be found again.
    npm_config_cache: path.join(work, 'npm'),
    npm_config_update_notifier: 'false',
    npm_config_loglevel: 'error',
  };
}

/** Publishes the package and its platform packages; the addon of a platform that was not built is a stand-in. */
export async function release(env: NodeJS.ProcessEnv): Promise<void> {
  const copy = path.join(work, 'release');
  await rm(copy, { recursive: true, force: true });
  const { files } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
  for (const name of ['package.json', 'README.md', 'LICENSE', ...files]) {
    await cp(path.join(root, name), path.join(copy, name), { recursive: true });
  }
  const artifacts = path.join(copy, 'artifacts');
  await mkdir(artifacts);
  for (const platform of Object.keys(PLATFORMS)) {
    const addon = `codex-image.${platform}.node`;
    if (platform === host)
      await cp(path.join(root, 'artifacts', addon), path.join(artifacts, addon));
    else await writeFile(path.join(artifacts, addon), 'not built on this machine\n');
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
  // Those below `platforms/` first: nobody may find the package without them.
  for (const tarball of tarballs.toSorted().toReversed()) {
    await npm(['publish', `./${tarball}`], { cwd: packages, env });
  }
}
