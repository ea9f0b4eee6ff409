// What other platforms take, from Debian, npm and PyPI. Everything but Debian's own tools is kept below `.cache/emulated`.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { npm, Refusal, root, run } from '../bootstrap.mjs';

export const CACHE = path.join(root, '.cache', 'emulated');

/**
 * Debian's packages, installed if they are missing and that may be done.
 *
 * @param {...string} packages
 */
export async function debian(...packages) {
  const missing = packages.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const install = ['install', '--yes', '--no-install-recommends', ...missing];
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) {
    throw new Refusal(
      `This needs packages of Debian's, and root to install them: ${missing.join(' ')}`,
    );
  }
  // Somebody else may be installing, too.
  const patiently = ['-o', 'DPkg::Lock::Timeout=600'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', [...patiently, 'update'], { env });
  await run('apt-get', [...patiently, ...install], { env });
}

/** @param {string} name */
function isInstalled(name) {
  const { stdout } = spawnSync('dpkg-query', ['--show', '--showformat=${Status}', name]);
  return String(stdout ?? '') === 'install ok installed';
}

/**
 * The files of a package of another release of Debian's, for another architecture, installed nowhere: apt is given a system
 * of its own to ask for it.
 *
 * @param {string} release
 * @param {string} name
 * @param {string} architecture
 */
export async function debianFiles(release, name, architecture) {
  return kept(`${name}-${release}-${architecture}`, async (directory) => {
    await debian('debian-archive-keyring');
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

/** Where this machine gets Debian from. */
function debianMirror() {
  const format = ['indextargets', '--format', '$(SITE)', 'Label: Debian', 'Component: main'];
  const [mirror] = execFileSync('apt-get', format).toString().split('\n');
  if (!mirror) throw new Refusal('apt-get knows of no Debian mirror: apt-get update');
  return mirror;
}

/**
 * A package of npm's, for whatever platform it is.
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
 * A package of PyPI's for a platform that is not this one, without what it depends on.
 *
 * @param {string} name
 * @param {string} version
 * @param {string} platform as a wheel names it
 */
export async function pythonPackage(name, version, platform) {
  return kept(`${name}-${version}-${platform}`, async (directory) => {
    await debian('python3', 'python3-pip');
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
 * A directory of the cache, filled once: what was interrupted is begun anew.
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
