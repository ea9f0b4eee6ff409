// The stub codex: in a place of its own, and started without the addon.

import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { makeHome } from '../__test__/support/loopback/home.js';
import { makePng } from '../__test__/support/picture.js';
import { type Place, makePlace } from '../__test__/support/place.js';
import type { Speech } from './children/event-writer.js';

export const STUB = fileURLToPath(new URL('children/stub.mjs', import.meta.url));
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

/** Where stubs wait for one another: each opens its thread, and none says more before {@link open}. */
export interface Gate {
  env: { STUB_GATE: string };
  open: (stubs: number) => void;
  remove: () => void;
}

export function makeGate(directory: string): Gate {
  const fifo = path.join(directory, 'gate');
  execFileSync('mkfifo', [fifo]);
  // For writing as well: neither this nor a stub's own opening has to wait for the other.
  const descriptor = openSync(fifo, 'r+');
  return {
    env: { STUB_GATE: fifo },
    open: (stubs) => writeSync(descriptor, Buffer.alloc(stubs)),
    remove: () => closeSync(descriptor),
  };
}

/** Stubs that cost next to nothing while they talk, and what lets them speak: once for each time that all were started. */
export interface Voices {
  stubs: { codexPath: string; env: Place['env'] }[];
  open: () => void;
  remove: () => void;
}

export function makeVoices(
  { directory, env }: Place,
  speech: Omit<Speech, 'voices'>,
  count: number,
): Voices {
  const picture = path.join(directory, 'picture.png');
  writeFileSync(picture, makePng({ width: 1, height: 1 }));
  const voices = Array.from({ length: count }, (_, n) => path.join(directory, `voice-${n}`));
  execFileSync('mkfifo', voices);
  const speaker = fork(fileURLToPath(new URL('children/event-writer.ts', import.meta.url)));
  return {
    stubs: voices.map((voice) => ({
      codexPath: VOICE,
      env: { ...env, STUB_VOICE: voice, STUB_PICTURE: picture },
    })),
    open: () => speaker.send({ voices, ...speech } satisfies Speech),
    remove: () => speaker.kill(),
  };
}

const VOICE = fileURLToPath(new URL('children/stub-fifo.sh', import.meta.url));

/** All that is needed to run the stub: start it, feed it, hear it out, wait for its end. */
export async function runBare(
  { directory, env }: Pick<Place, 'directory' | 'env'>,
  onFirstOutput?: () => void,
): Promise<void> {
  const child = spawn(STUB, ['exec', '--json'], {
    cwd: directory,
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  child.stdin.end(PROMPT);
  if (onFirstOutput) child.stdout.once('data', onFirstOutput);
  await text(child.stdout);
  const [code] = await closed;
  if (code !== 0) throw new Error(`the stub ended with ${String(code)}`);
}
