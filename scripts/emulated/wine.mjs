// Windows, as far as wine goes.

import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { root, run } from '../bootstrap.mjs';
import { debian, kept } from './fetch.mjs';

export const WINE = '/usr/lib/wine/wine64';
export const WINE_PIPED = path.join(root, 'scripts', 'emulated', 'wine.sh');
const WINE_SERVER = '/usr/lib/wine/wineserver64';
const MINGW = 'x86_64-w64-mingw32-gcc';

/**
 * A Windows of one's own: what a process started with these variables belongs to.
 *
 * @param {string} prefix
 */
function wineEnv(prefix) {
  return { ...process.env, WINEPREFIX: prefix, WINEDEBUG: '-all' };
}

/** Makes it, the first time. */
export async function windows() {
  await debian('wine64', 'gcc-mingw-w64-x86-64');
  const prefix = await kept('wine', async (fresh) => {
    const env = wineEnv(fresh);
    // Windows 7, wine's own choice, is too old for Rust and for Node.
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
 * Ends all that runs in it, and waits for that.
 *
 * @param {NodeJS.ProcessEnv} env
 */
export async function stop(env) {
  // Fails where nothing runs any more.
  spawnSync(WINE_SERVER, ['--kill'], { env });
  await run(WINE_SERVER, ['--wait'], { env });
}

/**
 * A path of this machine, as Windows programs see it.
 *
 * @param {string} file
 */
export function windowsPath(file) {
  return `Z:${path.resolve(file).replaceAll('/', '\\')}`;
}
