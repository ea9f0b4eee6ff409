// Directories and an environment for calls outside of the fixtures, and what these calls leave.

import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { leftIn } from '../homes.mjs';
import type { Home } from '../loopback/backend.js';
import { directories } from '../platform.js';
import { type Survivor, survivors } from '../process/survivors.js';

/** Directories and an environment by which everything that a call leaves can be found. */
export interface CallEnvironment {
  directory: string;
  /** The directory for temporary files, in which run directories are made. */
  temporary: string;
  env: Record<string, string>;
  /** Its live processes. */
  processes: () => Survivor[];
  /** How many processes and temporary files there are. */
  leftovers: () => number;
  remove: () => Promise<void>;
}

export async function makeCallEnvironment(home: Home): Promise<CallEnvironment> {
  const directory = await mkdtemp(path.join(await realpath(tmpdir()), 'codex-image-call-'));
  const temporary = path.join(directory, 'tmp');
  await mkdir(temporary);
  const marker = randomUUID();
  const processes = (): Survivor[] => survivors(marker, directory);
  return {
    directory,
    temporary,
    env: {
      // First, as in the addon: a stub started without it has to run in the same Node.
      PATH: [path.dirname(process.execPath), process.env['PATH']].join(path.delimiter),
      ...directories(directory, temporary),
      CODEX_IMAGE_TEST_RUN: marker,
      ...home.env,
    },
    processes,
    leftovers: () => processes().length + leftIn(temporary).length,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
