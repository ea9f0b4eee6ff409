// A process of its own that looks into Codex's store every millisecond, so that the one that is measured has nothing to do with it.

import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** The directory with the store of every thread, and how many bytes the picture has. */
export interface Watch {
  store: string;
  bytes: number;
}

/** It looks from now on; or the picture was complete at that moment, by the clock that all processes share. */
export type Sighting = 'watching' | { completeAt: number };

const tell = (sighting: Sighting): void => {
  process.send?.(sighting);
};

process.on('message', ({ store, bytes }: Watch) => {
  // Threads of earlier calls.
  const known = new Set(names(store));
  tell('watching');
  const look = (): void => {
    const threads = names(store).filter((thread) => !known.has(thread));
    const files = threads.flatMap((thread) =>
      names(path.join(store, thread)).map((name) => path.join(store, thread, name)),
    );
    if (files.some((file) => statSync(file).size === bytes)) {
      clearInterval(timer);
      tell({ completeAt: performance.timeOrigin + performance.now() });
    }
  };
  const timer = setInterval(look, 1);
});

/** Of a directory that may not exist yet. */
function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
