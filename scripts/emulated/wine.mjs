// Runs programs for Windows in wine.

import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { root, run } from '../bootstrap.mjs';
import { kept } from './fetch.mjs';

export const WINE = '/usr/lib/wine/wine64';
export const WINE_PIPED = path.join(root, 'scripts', 'emulated', 'wine.sh');
const WINE_SERVER = '/usr/lib/wine/wineserver64';
const MINGW = 'x86_64-w64-mingw32-gcc';

/**
 * The variables with which a program runs in the given Windows.
 *
 * @param {string} prefix
 */
function wineEnv(prefix) {
  return { ...process.env, WINEPREFIX: prefix, WINEDEBUG: '-all' };
}

/** Makes a Windows for the tests, the first time, and returns its variables. */
export async function windows() {
  const prefix = await kept('wine', async (fresh) => {
    const env = wineEnv(fresh);
    // wine's default, Windows 7, is too old for Rust and Node.
    const version = ['/v', 'Version', '/d', 'win10', '/f'];
    await run(WINE, ['reg', 'add', String.raw`HKCU\Software\Wine`, ...version], { env });
    await stop(env);
    const library = path.join(fresh, 'drive_c', 'windows', 'system32', 'bcryptprimitives.dll');
    const source = path.join('scripts', 'emulated', 'bcryptprimitives.c');
    await run(MINGW, ['-shared', '-O2', '-o', library, source, '-ladvapi32']);
  });
  return wineEnv(prefix);
}

/**
 * Stops all its programs, and waits for that.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export async function stop(env) {
  // Fails if nothing runs any more.
  spawnSync(WINE_SERVER, ['--kill'], { env });
  await run(WINE_SERVER, ['--wait'], { env });
}

/**
 * The path of a file of this machine for Windows programs.
 *
 * @param {string} file
 */
export function windowsPath(file) {
  return `Z:${path.resolve(file).replaceAll('/', '\\')}`;
}
