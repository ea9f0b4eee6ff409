// Writes to stdout and stderr, whose readers may close them at any time.

import { fstatSync, type Stats, statSync } from 'node:fs';
import { devNull } from 'node:os';

import { unwritable } from './failure.mjs';

/** Ignores errors of both streams: {@link print} reports those that matter. */
export function ignoreStreamErrors(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

/**
 * Whether all of stdout is lost: it is the null device, which Node opens in place of a closed
 * stdout, or is closed itself.
 */
export function discardsStdout(): boolean {
  let stdout: Stats;
  try {
    stdout = fstatSync(1);
  } catch {
    return true;
  }
  const nullDevice = statSync(devNull, { throwIfNoEntry: false });
  return stdout.isCharacterDevice() && stdout.rdev === nullDevice?.rdev;
}

/** Writes to stdout, and resolves when the system has taken the data. */
export async function print(data: string | Uint8Array): Promise<void> {
  await write(data).catch((error: unknown) => {
    throw unwritable('stdout', error);
  });
}

/** Writes optional output to stdout: a closed stream is no failure. */
export async function printIfRead(data: string): Promise<void> {
  await write(data).catch((error: NodeJS.ErrnoException) => {
    if (!READER_GONE.has(error.code ?? '')) throw unwritable('stdout', error);
  });
}

function write(data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

/** Errors of a pipe that is closed at its other end (EOF on Windows), and of a closed terminal. */
const READER_GONE = new Set(['EPIPE', 'EOF', 'EIO', 'ERR_STREAM_DESTROYED']);
