// Reads Codex's store every millisecond, and reports when the image is complete. In a process of
// its own, so that it does not disturb the measured one.

import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** The directory with the stores of all threads, and the size of the image. */
export interface Watch {
  store: string;
  bytes: number;
}

/** Reports the start of the watch, or when the image was complete, in Unix time. */
export type Report = 'watching' | { completeAt: number };

const send = (report: Report): void => {
  process.send?.(report);
};

process.on('message', ({ store, bytes }: Watch) => {
  // From earlier calls.
  const known = new Set(names(store));
  send('watching');
  const scan = (): void => {
    const threads = names(store).filter((thread) => !known.has(thread));
    const files = threads.flatMap((thread) =>
      names(path.join(store, thread)).map((name) => path.join(store, thread, name)),
    );
    if (files.some((file) => statSync(file).size === bytes)) {
      clearInterval(timer);
      send({ completeAt: performance.timeOrigin + performance.now() });
    }
  };
  const timer = setInterval(scan, 1);
});

/** Entries of a directory; none if it does not exist yet. */
function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
