import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { Home } from './loopback.js';
import { directories } from './platform.js';
import { type Survivor, survivors } from './survivors.js';

/** Directories and an environment by which everything that a call leaves can be found. */
export interface Place {
  directory: string;
  env: Record<string, string>;
  /** Its live processes. */
  processes: () => Survivor[];
  /** How many processes and workspaces there are. */
  leftovers: () => number;
  remove: () => Promise<void>;
}

export async function makePlace(home: Home): Promise<Place> {
  const directory = await mkdtemp(path.join(await realpath(tmpdir()), 'codex-image-place-'));
  const marker = randomUUID();
  const processes = (): Survivor[] => survivors(marker, directory);
  return {
    directory,
    env: {
      // First, as in the addon: a stub started without it has to run in the same Node.
      PATH: [path.dirname(process.execPath), process.env['PATH']].join(path.delimiter),
      ...directories(directory, directory),
      CODEX_IMAGE_PLACE: marker,
      ...home.env,
    },
    processes,
    leftovers: () => {
      const workspaces = readdirSync(directory).filter((name) =>
        name.startsWith('od-codex-image-'),
      );
      return processes().length + workspaces.length;
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
