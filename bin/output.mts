// Writes the image file. Checks before the turn that it can be written, because drawing takes
// minutes and counts against the user's plan. Replaces an existing file only with `--force`.

import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { copyFile, link, lstat, open, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

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

/**
 * Checks that the image can be written. If the user gave no name, `title` names the file, in
 * `directory`.
 */
export async function prepare(
  { file, force }: Target,
  title: string,
  directory = '',
): Promise<Destination> {
  const anyName = file === undefined;
  const named = file ?? path.join(directory, `${nameFrom(title)}.png`);
  const destination = { file: path.resolve(named), force, anyName };
  if (!anyName) await refuseToReplace(destination);
  await checkWritable(destination);
  return destination;
}

/** Throws if the directory of the image takes no file. */
export async function checkWritable({ file }: Destination): Promise<void> {
  const probe = temporaryBeside(file);
  try {
    await (await open(probe, 'wx')).close();
    await unlessHeld(() => rm(probe));
  } catch (error) {
    throw unwritable(file, error);
  }
}

/**
 * Writes the image whole or not at all, and returns its path. `warn` gets a sentence if a temporary
 * file cannot be removed.
 */
export async function save(
  png: Uint8Array,
  destination: Destination,
  warn: (warning: string) => void,
): Promise<string> {
  const temporary = temporaryBeside(destination.file);
  try {
    // Not by a `FileHandle`: that of Yarn's Plug'n'Play has no `sync`.
    await writeFile(temporary, png, { flag: 'wx', flush: true });
    if (!destination.force || destination.anyName)
      return await moveToFree(temporary, destination.file);
    await refuseToReplace(destination);
    await unlessHeld(() => rename(temporary, destination.file));
    return destination.file;
  } catch (error) {
    throw error instanceof CommandError ? error : unwritable(destination.file, error);
  } finally {
    if (!(await remove(temporary))) warn(`${temporary} could not be removed.`);
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

/** `fox.png`, `fox-2.png`, `fox-3.png`, … */
export function* namesLike(file: string): Generator<string, never> {
  const { dir, name, ext } = path.parse(file);
  yield file;
  for (let number = 2; ; number += 1) yield path.join(dir, `${name}-${number}${ext}`);
}

/** Moves to the first free name of {@link namesLike}. */
async function moveToFree(from: string, file: string): Promise<string> {
  const names = namesLike(file);
  for (;;) {
    const to = names.next().value;
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
  }
  // FAT, network file systems and sandboxes refuse links with about ten different codes. There an
  // empty file reserves the name.
  try {
    await (await open(to, 'wx')).close();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    await unlessHeld(() => rename(from, to)).catch(() => copyFile(from, to));
  } catch (error) {
    await remove(to);
    throw error;
  }
  return true;
}

/** Removes a file, if it exists. Resolves with false if that fails. */
export async function remove(file: string): Promise<boolean> {
  try {
    await unlessHeld(() => rm(file, { force: true }));
    return true;
  } catch {
    return false;
  }
}

/** Repeats an operation on a file for about a second while another program holds the file. */
async function unlessHeld(operation: () => Promise<void>): Promise<void> {
  const end = performance.now() + RETRY_MS;
  for (;;) {
    try {
      await operation();
      return;
    } catch (error) {
      if (!HELD.has(codeOf(error)) || performance.now() >= end) throw error;
    }
    await sleep(POLL_MS);
  }
}

const RETRY_MS = 1000;
const POLL_MS = 20;

/**
 * What Windows answers while a virus scanner or an indexer holds a file, as libuv 1.52 translates
 * it: access denied, sharing and lock violations, and the untranslated “delete pending”.
 */
const HELD = new Set(['EPERM', 'EACCES', 'EBUSY', 'UNKNOWN']);

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

/** Whether the system may take the name for something else than a file in its directory. */
export function isReserved(name: string, platform: NodeJS.Platform): boolean {
  if (platform !== 'win32') return false;
  const [stem = ''] = name.toLowerCase().split('.');
  // A colon begins the name of a stream of the file before it.
  return /[<>:"|?*]/.test(name) || DEVICE.test(stem.trimEnd());
}

/** In characters, each of which may take 4 of the 255 bytes that file systems allow. */
const MAX_NAME = 48;

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
