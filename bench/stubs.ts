// The stubs of Codex: their environment, and how to run one without the addon.

import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { buildCompiledStub } from '../__test__/support/stub/cargo-example.js';
import { makeHome } from '../__test__/support/loopback/home.js';
import { makePng } from '../__test__/support/image/picture.js';
import {
  type CallEnvironment,
  makeCallEnvironment,
} from '../__test__/support/load/call-environment.js';
import type { Events } from './children/event-writer.js';

/** The compiled stub. `STUB_STEPS` in its environment lists its steps. */
export const COMPILED_STUB = await buildCompiledStub();
export const PROMPT = 'a red fox';

/** An environment for stubs that print `events`, spread evenly over `ms`. */
export async function makeStubEnvironment(events: number, ms: number): Promise<CallEnvironment> {
  // The addon needs a login; the stub opens no connection.
  const home = await makeHome({ origin: 'https://127.0.0.1:9', ca: '' });
  const callEnv = await makeCallEnvironment(home);
  const picture = path.join(callEnv.directory, 'picture.png');
  await writeFile(picture, makePng({ width: 1, height: 1 }));
  return {
    ...callEnv,
    env: {
      ...callEnv.env,
      STUB_STEPS: 'thread events save',
      STUB_EVENTS: String(events),
      STUB_MS: String(ms),
      STUB_PICTURE: picture,
    },
    remove: async () => {
      await Promise.all([callEnv.remove(), home.remove()]);
    },
  };
}

/** A FIFO at which stubs wait: each starts its thread, and prints no more before {@link open}. */
export interface Gate {
  env: { STUB_STEPS: string; STUB_GATE: string };
  open: (stubs: number) => void;
  remove: () => void;
}

export function makeGate(directory: string): Gate {
  const fifo = path.join(directory, 'gate');
  execFileSync('mkfifo', [fifo]);
  // `r+`: neither this nor a stub waits for the other end to be opened.
  const descriptor = openSync(fifo, 'r+');
  return {
    env: { STUB_STEPS: 'thread await events save', STUB_GATE: fifo },
    open: (stubs) => writeSync(descriptor, Buffer.alloc(stubs)),
    remove: () => closeSync(descriptor),
  };
}

/** Stubs whose events a child of this process writes, which costs them almost no processor time. */
export interface FifoStubs {
  stubs: { codexPath: string; env: CallEnvironment['env'] }[];
  /** Starts the events. Call it once each time all stubs have started. */
  open: () => void;
  remove: () => void;
}

export function makeFifoStubs(
  { directory, env }: CallEnvironment,
  events: Omit<Events, 'fifos'>,
  count: number,
): FifoStubs {
  const fifos = Array.from({ length: count }, (_, n) => path.join(directory, `events-${n}`));
  execFileSync('mkfifo', fifos);
  const writer = fork(fileURLToPath(new URL('children/event-writer.ts', import.meta.url)));
  return {
    stubs: fifos.map((fifo) => ({
      codexPath: COMPILED_STUB,
      env: { ...env, STUB_STEPS: 'thread relay save', STUB_FIFO: fifo },
    })),
    open: () => writer.send({ fifos, ...events } satisfies Events),
    remove: () => writer.kill(),
  };
}

/** Starts the stub, writes its prompt, reads its output and waits for its exit. */
export async function runBare(
  { directory, env }: Pick<CallEnvironment, 'directory' | 'env'>,
  onFirstOutput?: () => void,
): Promise<void> {
  const child = spawn(COMPILED_STUB, ['exec', '--json'], {
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
