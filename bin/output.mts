// The file: looked into before anything is drawn, because a picture takes minutes and costs money, and never written over
// another one unless that was asked for.

import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { link, lstat, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';

import type { Target } from './arguments.mjs';
import { CommandError, unwritable } from './failure.mjs';

/** A place for the picture. */
export interface Place {
  /** Absolute. */
  file: string;
  force: boolean;
  /** The name was chosen here, so that any other will do. */
  anyName: boolean;
}

/** Finds out whether the picture could be written now. `title` gives the file its name if the user gave none. */
export async function prepare({ file, force }: Target, title: string): Promise<Place> {
  const anyName = file === undefined;
  const place = { file: path.resolve(file ?? `${nameFrom(title)}.png`), force, anyName };
  if (!anyName) await refuseToReplace(place);
  const probe = beside(place.file);
  try {
    await (await open(probe, 'wx')).close();
    await rm(probe);
  } catch (error) {
    throw unwritable(path.dirname(place.file), error);
  }
  return place;
}

/** Writes the picture whole or not at all, and returns the path at which it is. */
export async function save(png: Uint8Array, place: Place): Promise<string> {
  const temporary = beside(place.file);
  try {
    await writeThrough(temporary, png);
    if (!place.force || place.anyName) return await moveToFree(temporary, place.file);
    await refuseToReplace(place);
    await rename(temporary, place.file);
    return place.file;
  } catch (error) {
    throw error instanceof CommandError ? error : unwritable(place.file, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function refuseToReplace({ file, force }: Place): Promise<void> {
  const there = await statusOf(file);
  if (there === undefined) return;
  if (!there.isFile()) {
    const what = there.isDirectory() ? 'a directory' : 'no regular file';
    throw new CommandError('OUTPUT_EXISTS', `${file} is ${what}, and cannot be replaced`);
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

/** `fox.png`, else `fox-2.png`, `fox-3.png`, …: the first that nothing has. */
async function moveToFree(from: string, file: string): Promise<string> {
  const { dir, name, ext } = path.parse(file);
  for (let number = 1; ; number += 1) {
    const to = number === 1 ? file : path.join(dir, `${name}-${number}${ext}`);
    if (await moveIfFree(from, to)) return to;
  }
}

/** Unlike `rename`, `link` replaces nothing, in a race either. */
async function moveIfFree(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (!WITHOUT_LINKS.has(codeOf(error))) throw error;
  }
  // FAT and some network file systems know no links. There an empty file takes the name first.
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

/** What libuv calls EISDIR is Windows's “Incorrect function”. */
const WITHOUT_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EISDIR']);

function beside(file: string): string {
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
  // No word at all, or a first one that is too long, as where words are not told apart by spaces.
  return name || [...(words[0] ?? 'picture')].slice(0, MAX_NAME).join('');
}

/** What Windows takes for a device, whatever the extension. */
const DEVICE = /^(?:con|prn|aux|nul|(?:com|lpt)[\d¹²³])$/;

/** In characters, each of which may take 4 of the 255 bytes that file systems allow. */
const MAX_NAME = 48;

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
