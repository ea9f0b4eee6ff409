// stdout and stderr, whose readers may leave at any time.

import type { Writable } from 'node:stream';

/** Whoever writes what matters learns of a failure from {@link write}; for the rest, a reader that has left is no reason to stop. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
}

/** Resolves when the bytes are out of this process's hands. */
export function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

/** The same for what nobody has to read. */
export async function offer(stream: Writable, data: string): Promise<void> {
  try {
    await write(stream, data);
  } catch (error) {
    if (!READER_GONE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** A pipe that is closed at its other end (Windows says EOF), and a terminal that is. */
const READER_GONE = new Set(['EPIPE', 'EOF', 'EIO', 'ERR_STREAM_DESTROYED']);
