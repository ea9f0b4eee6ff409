// Recovers one picture in a fresh process, and measures it.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { CodexImageError } from '../index.js';

const SCRIPT = fileURLToPath(new URL('children/recover.mjs', import.meta.url));
const run = promisify(execFile);

/** What `children/recover.mjs` prints. */
export interface Recovered {
  outcome: Outcome;
  /** Peak of the resident set above its size before the call. */
  peakMB: number;
  /** Duration of the call. */
  ms: number;
  /** Longest delay of the event loop during the call. */
  delayMs: number;
}

export type Outcome = 'accepted' | CodexImageError['code'];

/** Rejects if the recovery does not end as expected. */
export async function recoverInChild(
  env: Record<string, string>,
  thread: string,
  expected: Outcome = 'accepted',
): Promise<Recovered> {
  const { stdout } = await run(process.execPath, [SCRIPT, thread], {
    env: { ...process.env, ...env },
  });
  const recovered = JSON.parse(stdout) as Recovered;
  if (recovered.outcome !== expected)
    throw new Error(`${recovered.outcome} instead of ${expected}`);
  return recovered;
}
