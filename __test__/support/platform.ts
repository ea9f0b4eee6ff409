// What differs between the systems that the tests run on.

import { existsSync } from 'node:fs';
import path from 'node:path';

export const LINUX = process.platform === 'linux';
export const MACOS = process.platform === 'darwin';
export const WINDOWS = process.platform === 'win32';

/** A directory that is not there, by a name that is absolute everywhere. */
export const NOWHERE = path.resolve('/nowhere');

/** Of the flags that open a file: on Windows nobody else can open it until it is closed. (libuv's UV_FS_O_EXLOCK.) */
export const HELD_ALONE = WINDOWS ? 0x1000_0000 : 0;

/**
 * Whether this machine has a Codex outside of anybody's home, where every search finds it (`usual_dirs` and `in_apps` in
 * src/codex/locate.rs): then no search comes as far as the last places, or to nothing.
 */
export const CODEX_IS_INSTALLED =
  !WINDOWS &&
  [
    ...['/opt/homebrew', '/usr/local', '/home/linuxbrew/.linuxbrew', '/usr'].map(
      (at) => `${at}/bin`,
    ),
    '/Applications/Codex.app/Contents/Resources',
  ].some((directory) => existsSync(`${directory}/codex`));

/** The variable that names the user's home, and the one that names the directory for temporary files. */
export const HOME = WINDOWS ? 'USERPROFILE' : 'HOME';
export const TEMPORARY = WINDOWS ? 'TEMP' : 'TMPDIR';

/** The environment by which a program finds these two. */
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
