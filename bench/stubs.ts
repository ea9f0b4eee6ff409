// The stub codex: in a place of its own, and started without the addon.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { makeHome } from '../__test__/support/loopback/home.js';
import { type Place, makePlace } from './place.js';

export const STUB = fileURLToPath(new URL('stub.mjs', import.meta.url));
export const PROMPT = 'a red fox';

/** Where stubs run that say so many things, evenly over that time. */
export async function makeStubPlace(events: number, ms: number): Promise<Place> {
  // A login is all that the addon looks for; the stub calls nobody.
  const home = await makeHome({ origin: 'https://127.0.0.1:9', ca: '' });
  const place = await makePlace(home);
  return {
    ...place,
    env: { ...place.env, STUB_EVENTS: String(events), STUB_MS: String(ms) },
    remove: async () => {
      await Promise.all([place.remove(), home.remove()]);
    },
  };
}

/** All that is needed to run the stub: start it, feed it, hear it out, wait for its end. */
export async function runBare({ directory, env }: Pick<Place, 'directory' | 'env'>): Promise<void> {
  const child = spawn(STUB, ['exec', '--json'], {
    cwd: directory,
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  child.stdin.end(PROMPT);
  await text(child.stdout);
  const [code] = await closed;
  if (code !== 0) throw new Error(`the stub ended with ${String(code)}`);
}
