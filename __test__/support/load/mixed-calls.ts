// Calls of every kind at once: every tenth is aborted, every tenth times out, every tenth fails,
// and the others succeed. Each must have its outcome. Shared by the load test and `npm run soak`,
// which run it in a process with nothing else.

import { randomUUID } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';

import {
  type CodexImageErrorCode,
  generateCodexImage,
  type GenerateOptions,
  type ProgressEvent,
} from '../../../index.js';
import { buildCompiledStub } from '../stub/cargo-example.js';
import { type Home, makeHome } from '../loopback/home.js';
import { makeCallEnvironment, type CallEnvironment } from './call-environment.js';
import { assemble, chunk, header, pixels } from '../image/small-png.js';

type Phase = ProgressEvent['phase'];

/** A call and its outcome: the image, the reason of its abort, or the code of an error. */
interface Call {
  ends: 'image' | 'abort' | CodexImageErrorCode;
  /** The steps of the compiled stub. */
  steps?: string;
  options?: Partial<GenerateOptions>;
  env?: Record<string, string>;
  /** The phase in which it is aborted. */
  abortedIn?: Phase;
}

const TO_THE_END = { completion: 'exit' } as const;

const SUCCESSES: Call[] = [
  { ends: 'image', steps: 'thread message save tool hang' },
  { ends: 'image', steps: 'thread message save', options: TO_THE_END },
  { ends: 'image', steps: 'thread message copy' },
  { ends: 'image', steps: 'ignore_signals thread message save tool hang' },
  { ends: 'image', steps: 'thread save exit:1' },
];

// The first calls find a free slot and are not queued.
const ABORTS: Call[] = (['starting', 'message', 'queued', 'image', 'preflight', 'started'] as const)
  .map((abortedIn) => ({ ends: 'abort', abortedIn, options: TO_THE_END }) as const)
  .flatMap((call) => [
    { ...call, steps: 'thread message save tool hang' },
    { ...call, steps: 'ignore_signals thread message save tool hang' },
  ]);

/** Half of them time out while they are queued. */
const timeouts = (nth: number): Call => ({
  ends: 'TIMEOUT',
  steps:
    nth % 4 === 0 ? 'ignore_signals thread message tool hang' : 'thread message save tool hang',
  // Each a little later than the one before, so that not all stop at the same moment.
  options: { ...TO_THE_END, timeoutMs: nth % 2 === 0 ? 3000 + 20 * nth : 20 },
});

const failures = (home: string): Call[] => [
  { ends: 'NO_IMAGE', steps: 'thread message' },
  { ends: 'CODEX_FAILED', steps: 'thread exit:1' },
  { ends: 'CODEX_FAILED', steps: 'thread message die' },
  failedTurn('USAGE_LIMIT', "You've hit your usage limit."),
  failedTurn('RATE_LIMITED', 'exceeded retry limit, last status: 429 Too Many Requests'),
  failedTurn('BACKEND_ERROR', 'stream disconnected before completion'),
  { ends: 'INVALID_IMAGE', steps: 'thread save', env: { STUB_PICTURE: NO_PNG } },
  { ends: 'IMAGE_TOO_LARGE', steps: 'thread save', options: { maxImageBytes: 100 } },
  { ends: 'INVALID_OPTIONS', options: { timeoutMs: 0 } },
  { ends: 'CODEX_NOT_FOUND', options: { codexPath: path.join(home, 'no-codex') } },
  { ends: 'SPAWN_FAILED', options: { codexPath: path.join(home, NO_INTERPRETER) } },
  { ends: 'NOT_SIGNED_IN', options: { codexHome: path.join(home, SIGNED_OUT) } },
  { ends: 'WORKSPACE_FAILED', env: { TMPDIR: path.join(home, 'no-tmp') } },
];

function failedTurn(ends: CodexImageErrorCode, message: string): Call {
  return { ends, steps: 'thread turn_failed exit:1', env: { STUB_FAILURE: message } };
}

/** This source file. */
const NO_PNG = fileURLToPath(import.meta.url);
const NO_INTERPRETER = 'no-interpreter';
const SIGNED_OUT = 'signed-out';

export interface Round {
  calls: number;
  /** How many ended in which way, and the phase of those that were ended. */
  ends: Record<string, number>;
  /** The unexpected outcomes. */
  wrong: string[];
}

export class Mixture {
  #made = 0;

  private constructor(
    private readonly stub: string,
    private readonly home: Home,
    private readonly callEnv: CallEnvironment,
  ) {}

  static async create(): Promise<Mixture> {
    // The addon only needs a login, and the stub connects to no server.
    const home = await makeHome({ origin: 'https://127.0.0.1:9', ca: '' });
    await mkdir(path.join(home.path, SIGNED_OUT));
    await writeFile(path.join(home.path, NO_INTERPRETER), '#!/nowhere/sh\n', { mode: 0o755 });
    return new Mixture(await buildCompiledStub(), home, await makeCallEnvironment(home));
  }

  /** Makes that many calls at once. */
  async round(calls: number): Promise<Round> {
    const numbers = Array.from({ length: calls }, (_, n) => n);
    const ready = await Promise.all(numbers.map((n) => this.#prepare(this.#callOf(n))));
    const reports = await Promise.all(ready.map((make) => make()));
    const ends: Record<string, number> = {};
    for (const { end } of reports) ends[end] = (ends[end] ?? 0) + 1;
    return { calls, ends, wrong: reports.flatMap(({ wrong }) => wrong) };
  }

  /** The entries of the directory for temporary files. */
  temporary(): string[] {
    return readdirSync(this.callEnv.temporary);
  }

  /** Live processes of all calls. */
  processes(): string[] {
    return this.callEnv.processes().map(({ command }) => command);
  }

  async close(): Promise<void> {
    await Promise.all([this.callEnv.remove(), this.home.remove()]);
  }

  #callOf(n: number): Call {
    const nth = Math.floor(n / 10);
    switch (n % 10) {
      case 3:
        return cycle(ABORTS, nth);
      case 6:
        return timeouts(nth);
      case 9:
        return cycle(failures(this.home.path), nth);
      default:
        return cycle(SUCCESSES, n);
    }
  }

  /** Prepares the call. The returned function makes it. */
  async #prepare(call: Call): Promise<() => Promise<{ end: string; wrong: string[] }>> {
    const { steps = '', options, env, ends, abortedIn } = call;
    this.#made += 1;
    const name = `call ${this.#made} (${steps})`;
    const picture = pictureOf(this.#made);
    const file = path.join(this.home.path, `picture-${this.#made}.png`);
    await writeFile(file, picture);
    const thread = randomUUID();
    const { signal, abort, reason } = abortable(name);
    let phase: Phase = 'queued';

    return async () => {
      const outcome = await generateCodexImage(
        {
          prompt: 'a red fox',
          codexPath: this.stub,
          env: {
            ...this.callEnv.env,
            STUB_STEPS: steps,
            STUB_THREAD: thread,
            STUB_PICTURE: file,
            ...env,
          },
          killGraceMs: 100,
          signal,
          ...options,
        },
        (_message, event) => {
          if (event.phase !== 'stopping' && !signal.aborted) phase = event.phase;
          if (event.phase === abortedIn) abort();
        },
      ).then(
        (png) => (png.equals(picture) ? 'image' : 'the image of another call'),
        (error: unknown) => (error === reason ? 'abort' : codeOf(error)),
      );
      const listeners = getEventListeners(signal, 'abort').length;
      // Codex's own store and rollout stay after a call.
      const store = path.join(this.home.path, 'generated_images', thread);
      const rollout = path.join(this.home.path, 'sessions/2026/01/01', `rollout-x-${thread}.jsonl`);
      await Promise.all(
        [file, store, rollout].map((left) => rm(left, { recursive: true, force: true })),
      );

      const wrong: string[] = [];
      if (outcome !== ends) wrong.push(`${name} ended in ${phase} with ${outcome}, not ${ends}`);
      if (listeners !== 0) wrong.push(`${name} left ${listeners} listeners`);
      return { end: ends === 'abort' || ends === 'TIMEOUT' ? `${ends} in ${phase}` : ends, wrong };
    };
  }
}

function cycle(calls: readonly Call[], nth: number): Call {
  const call = calls[nth % calls.length];
  if (call === undefined) throw new RangeError('there are no calls to choose from');
  return call;
}

function abortable(name: string): { signal: AbortSignal; abort: () => void; reason: Error } {
  const controller = new AbortController();
  const reason = new Error(`${name} is no longer wanted`);
  return { signal: controller.signal, abort: () => controller.abort(reason), reason };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** Noise, which does not compress: large enough that a kept buffer shows. */
const SIZE = { width: 150, height: 150 };
const PIXELS = chunk('IDAT', deflateSync(pixels(SIZE)));

/** Each is different, and costs no more than a copy. */
function pictureOf(serial: number): Buffer {
  return assemble([header(SIZE), chunk('tEXt', Buffer.from(`Comment\0${serial}`)), PIXELS]);
}
