// One recovery in a process of its own.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SCRIPT = fileURLToPath(new URL('recover-once.mjs', import.meta.url));
const run = promisify(execFile);

/** What `recover-once.mjs` prints. */
export interface Recovered {
  /** The highest resident set above the one before the call. */
  peakMB: number;
  /** Of the call. */
  ms: number;
  /** The longest of the event loop during the call. */
  delayMs: number;
}

export async function recoverAlone(
  env: Record<string, string>,
  thread: string,
): Promise<Recovered> {
  const { stdout } = await run(process.execPath, [SCRIPT, thread], {
    env: { ...process.env, ...env },
  });
  return JSON.parse(stdout) as Recovered;
}
