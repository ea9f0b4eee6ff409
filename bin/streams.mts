// stdout and stderr, whose readers may leave at any time.

import { unwritable } from './failure.mjs';

/** Ignores errors of both streams: {@link print} reports those that matter. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

/** Writes to stdout, and resolves when the data is out of this process's hands. */
export async function print(data: string | Uint8Array): Promise<void> {
  await handOver(data).catch((error: unknown) => {
    throw unwritable('stdout', error);
  });
}

/** The same for optional output: a reader that has left is no failure. */
export async function offer(data: string): Promise<void> {
  await handOver(data).catch((error: NodeJS.ErrnoException) => {
    if (!READER_GONE.has(error.code ?? '')) throw unwritable('stdout', error);
  });
}

function handOver(data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

/** A pipe that is closed at its other end (Windows says EOF), and a terminal that is. */
const READER_GONE = new Set(['EPIPE', 'EOF', 'EIO', 'ERR_STREAM_DESTROYED']);
