// Differences between the systems that the tests run on.

import { existsSync } from 'node:fs';
import path from 'node:path';

export const LINUX = process.platform === 'linux';
export const MACOS = process.platform === 'darwin';
export const WINDOWS = process.platform === 'win32';

/** An absolute path that does not exist, on every system. */
export const NOWHERE = path.resolve('/nowhere');

/**
 * A flag for opening a file: on Windows no other process can open it until it is closed. (libuv's
 * UV_FS_O_EXLOCK.)
 */
export const HELD_ALONE = WINDOWS ? 0x1000_0000 : 0;

/**
 * Whether this machine has a Codex outside of all homes, where every search finds it (`UNIX`
 * and `MACOS_APPS` in src/codex/locate.rs): no search then reaches the later directories, or fails.
 */
export const CODEX_IS_INSTALLED =
  !WINDOWS &&
  [
    ...['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew', '/usr'].map(
      (at) => `${at}/bin`,
    ),
    '/Applications/ChatGPT.app/Contents/Resources',
    '/Applications/Codex.app/Contents/Resources',
  ].some((directory) => existsSync(`${directory}/codex`));

/** The names of the variables for the user's home and for the directory for temporary files. */
export const HOME = WINDOWS ? 'USERPROFILE' : 'HOME';
export const TEMPORARY = WINDOWS ? 'TEMP' : 'TMPDIR';

/** The variables by which a program finds these two. */
export function directories(home: string, temporary: string): Record<string, string> {
  if (!WINDOWS) return { [HOME]: home, [TEMPORARY]: temporary };
  return {
    [HOME]: home,
    APPDATA: path.join(home, 'AppData', 'Roaming'),
    LOCALAPPDATA: path.join(home, 'AppData', 'Local'),
    [TEMPORARY]: temporary,
    TMP: temporary,
  };
}
