// Downloads what other platforms need from Debian, npm and PyPI into `.cache/emulated`. Installs
// nothing outside of it.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { npm, root, run, UserError } from '../bootstrap.mjs';

export const CACHE = path.join(root, '.cache', 'emulated');

/**
 * Fails with the command to run if a package of Debian's is not installed.
 *
 * @param {...string} packages
 */
export function requireDebian(...packages) {
  const missing = [...new Set(packages)].filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  throw new UserError(
    `Packages of Debian 12 are missing. As root: apt-get install ${missing.join(' ')}`,
  );
}

/** @param {string} name */
function isInstalled(name) {
  const { stdout } = spawnSync('dpkg-query', ['--show', '--showformat=${Status}', name]);
  return String(stdout ?? '') === 'install ok installed';
}

/**
 * Downloads and unpacks a package of another Debian release, for any architecture. apt works in an
 * empty system of its own, and changes nothing on this one.
 *
 * @param {string} release
 * @param {string} name
 * @param {string} architecture
 */
export async function debianFiles(release, name, architecture) {
  return kept(`${name}-${release}-${architecture}`, async (directory) => {
    const apt = path.join(directory, 'apt');
    mkdirSync(path.join(apt, 'lists', 'partial'), { recursive: true });
    mkdirSync(path.join(apt, 'archives', 'partial'), { recursive: true });
    writeFileSync(path.join(apt, 'status'), '');
    const keys = '/usr/share/keyrings/debian-archive-keyring.gpg';
    const source = `deb [signed-by=${keys}] ${debianMirror()} ${release} main\n`;
    writeFileSync(path.join(apt, 'sources.list'), source);
    const settings = {
      'APT::Architecture': architecture,
      'APT::Architectures': architecture,
      'APT::Sandbox::User': '',
      'Acquire::Languages': 'none',
      'Dir::Cache': apt,
      'Dir::Etc::sourcelist': path.join(apt, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::State': apt,
      'Dir::State::status': path.join(apt, 'status'),
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    await run('apt-get', [...options, 'update']);
    await run('apt-get', [...options, '--download-only', '--yes', 'install', name]);
    const [archive = ''] = execFileSync('find', [
      path.join(apt, 'archives'),
      '-name',
      `${name}_*.deb`,
    ])
      .toString()
      .split('\n');
    await run('dpkg-deb', ['--extract', archive, directory]);
    rmSync(apt, { recursive: true });
  });
}

/** The mirror that this machine uses. */
function debianMirror() {
  const format = ['indextargets', '--format', '$(SITE)', 'Label: Debian', 'Component: main'];
  const [mirror] = execFileSync('apt-get', format).toString().split('\n');
  if (!mirror) throw new UserError('apt-get knows of no Debian mirror: apt-get update');
  return mirror;
}

/**
 * A package of npm, for any platform.
 *
 * @param {string} name
 * @param {string} version
 */
export async function npmPackage(name, version) {
  const directory = await kept(`${name.replace('/', '+')}-${version}`, async (prefix) => {
    const quietly = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund'];
    const anyway = ['--force', '--ignore-scripts', '--loglevel=error'];
    await npm('install', ...quietly, ...anyway, '--prefix', prefix, `${name}@${version}`);
  });
  return path.join(directory, 'node_modules', name);
}

/**
 * A package of PyPI for another platform, without its dependencies.
 *
 * @param {string} name
 * @param {string} version
 * @param {string} platform as a wheel names it
 */
export async function pythonPackage(name, version, platform) {
  return kept(`${name}-${version}-${platform}`, async (directory) => {
    const quietly = ['--quiet', '--disable-pip-version-check', '--root-user-action=ignore'];
    const where = ['--no-deps', '--only-binary=:all:', '--target', directory];
    await run('python3', [
      '-m',
      'pip',
      'install',
      ...quietly,
      ...where,
      '--platform',
      platform,
      `${name}==${version}`,
    ]);
  });
}

/**
 * A directory of the cache, which `fill` fills once. Starts anew after an interruption.
 *
 * @param {string} name
 * @param {(directory: string) => Promise<void>} fill
 */
export async function kept(name, fill) {
  const directory = path.join(CACHE, name);
  if (!existsSync(directory)) {
    const unfinished = `${directory}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { recursive: true });
    await fill(unfinished);
    renameSync(unfinished, directory);
  }
  return directory;
}
