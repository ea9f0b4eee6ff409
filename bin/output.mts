// Writes the image file. Checks before the turn that it can be written, because drawing takes
// minutes and counts against the user's plan. Replaces an existing file only with `--force`.

import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { link, lstat, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

import type { Target } from './arguments.mjs';
import { CommandError, unwritable } from './failure.mjs';

/** A checked output file. */
export interface Destination {
  /** Absolute. */
  file: string;
  force: boolean;
  /** Whether the user gave no name, so that another one is acceptable. */
  anyName: boolean;
}

/** Checks that the image can be written. `title` names the file if the user gave no name. */
export async function prepare({ file, force }: Target, title: string): Promise<Destination> {
  const anyName = file === undefined;
  const destination = { file: path.resolve(file ?? `${nameFrom(title)}.png`), force, anyName };
  if (!anyName) await refuseToReplace(destination);
  const probe = temporaryBeside(destination.file);
  try {
    await (await open(probe, 'wx')).close();
    await rm(probe);
  } catch (error) {
    throw unwritable(destination.file, error);
  }
  return destination;
}

/** Writes the image whole or not at all, and returns its path. */
export async function save(png: Uint8Array, destination: Destination): Promise<string> {
  const temporary = temporaryBeside(destination.file);
  try {
    await writeThrough(temporary, png);
    if (!destination.force || destination.anyName)
      return await moveToFree(temporary, destination.file);
    await refuseToReplace(destination);
    await rename(temporary, destination.file);
    return destination.file;
  } catch (error) {
    throw error instanceof CommandError ? error : unwritable(destination.file, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function refuseToReplace({ file, force }: Destination): Promise<void> {
  const existing = await statusOf(file);
  if (existing === undefined) return;
  if (!existing.isFile()) {
    const type = existing.isDirectory() ? 'a directory' : 'no regular file';
    throw new CommandError('OUTPUT_EXISTS', `${file} is ${type}, and cannot be replaced`);
  }
  if (!force) throw new CommandError('OUTPUT_EXISTS', `${file} exists. --force replaces it`);
}

async function statusOf(file: string): Promise<Stats | undefined> {
  try {
    return await lstat(file);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw unwritable(file, error);
  }
}

async function writeThrough(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx');
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Moves to the first free name of `fox.png`, `fox-2.png`, `fox-3.png`, … */
async function moveToFree(from: string, file: string): Promise<string> {
  const { dir, name, ext } = path.parse(file);
  for (let number = 1; ; number += 1) {
    const to = number === 1 ? file : path.join(dir, `${name}-${number}${ext}`);
    if (await moveIfFree(from, to)) return to;
  }
}

/** Uses `link`, which unlike `rename` never replaces a file, not even in a race. */
async function moveIfFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (!WITHOUT_LINKS.has(codeOf(error))) throw error;
  }
  // FAT and some network file systems have no links. There an empty file reserves the name.
  try {
    await (await open(to, 'wx')).close();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    await rename(from, to);
  } catch (error) {
    await rm(to);
    throw error;
  }
  return true;
}

/** EISDIR is libuv's name of “Incorrect function” on Windows. */
const WITHOUT_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EISDIR']);

function temporaryBeside(file: string): string {
  return path.join(path.dirname(file), `.codex-image-${randomUUID()}.tmp`);
}

/** A file name from the first words of a prompt, in any script. */
export function nameFrom(title: string): string {
  const words =
    title
      .normalize('NFC')
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  let name = '';
  for (const word of words) {
    const longer = name === '' ? word : `${name}-${word}`;
    if ([...longer].length > MAX_NAME) break;
    name = longer;
  }
  if (DEVICE.test(name)) return `picture-${name}`;
  // There is no word, or the first one is too long, as in scripts without spaces.
  return name || [...(words[0] ?? 'picture')].slice(0, MAX_NAME).join('');
}

/** Names of devices on Windows, reserved with any extension. */
const DEVICE = /^(?:con|prn|aux|nul|(?:com|lpt)[\d¹²³])$/;

/** In characters, each of which may take 4 of the 255 bytes that file systems allow. */
const MAX_NAME = 48;

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
