// Installs programs that PyPI has as wheels, each set in a virtual environment below `.cache/`.

import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { root, run } from './bootstrap.mjs';

/** A linker that knows every version of glibc and musl, and its adapter for cargo. */
export const ZIG = { ziglang: '0.17.1', 'cargo-zigbuild': '0.24.0' };

const WINDOWS = process.platform === 'win32';

/**
 * Installs the programs if they are missing, and returns their directory.
 *
 * @param {Record<string, string>} packages exact versions by name
 */
export async function ensurePython(packages) {
  const pinned = Object.entries(packages).map((entry) => entry.join('=='));
  const home = path.join(root, '.cache', 'python', pinned.join(','));
  const bin = path.join(home, WINDOWS ? 'Scripts' : 'bin');
  // Written last, so that an interrupted installation is repeated.
  const installed = path.join(home, 'installed');
  if (!existsSync(installed)) {
    await run(WINDOWS ? 'python' : 'python3', ['-m', 'venv', '--clear', home]);
    // Wheels only: building a source package runs its code.
    const options = ['--quiet', '--disable-pip-version-check', '--only-binary', ':all:'];
    await run(path.join(bin, 'python'), ['-m', 'pip', 'install', ...options, ...pinned]);
    writeFileSync(installed, '');
  }
  return bin;
}
