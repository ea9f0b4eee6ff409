// The script stub of Codex as a program: `stub-codex.mjs`.

import { constants } from 'node:fs';
import { copyFile, mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { WINDOWS } from '../platform.js';

export const STUB_SCRIPT = fileURLToPath(new URL('stub-codex.mjs', import.meta.url));
/**
 * The program to start as Codex: the script, or on Windows Node, which runs the script by {@link
 * SCRIPT_STUB_ENV}.
 */
export const SCRIPT_STUB = WINDOWS ? process.execPath : STUB_SCRIPT;
export const SCRIPT_STUB_ENV: Record<string, string> = WINDOWS
  ? { NODE_OPTIONS: `--import=${new URL('as-codex.mjs', import.meta.url)}` }
  : {};

/** Installs the stub at `file`. Returns its path, which on Windows has an extension. */
export async function installStub(file: string): Promise<string> {
  const program = WINDOWS ? `${file}.exe` : file;
  await mkdir(path.dirname(program), { recursive: true });
  // On Windows a link to a running program, like this Node, could not be removed.
  if (WINDOWS) await copyFile(SCRIPT_STUB, program, constants.COPYFILE_FICLONE);
  else await symlink(SCRIPT_STUB, program);
  return program;
}
