// A stub codex in a world of its own: home, login, temp directory, orders. Every spec that takes the
// `codex` fixture also checks, after its own assertions, that no process, no workspace, no descriptor, no thread and no zombie is left.

import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { test as base, expect } from 'vitest';

import {
  type CodexImageError,
  generateCodexImage,
  generateCodexImageDetailed,
  type GeneratedImage,
  type GenerateOptions,
  type OnProgress,
  type ProgressEvent,
  recoverCodexImage,
} from '../../index.js';
import { footprint, heldSince } from './footprint.js';
import { makeHomeDirectory } from './homes.mjs';
import { directories, NOWHERE, WINDOWS } from './platform.js';
import type { Orders, Recording, RecordForm, Step } from './stub-orders.js';
import { type Survivor, survivors } from './survivors.js';

export type { Orders, Recording, RecordForm, Step } from './stub-orders.js';

export const STUB_SCRIPT = fileURLToPath(new URL('stub-codex.mjs', import.meta.url));
/** What is started as Codex: the script, or on Windows a Node that {@link STUB_ENV} has run it. */
export const STUB = WINDOWS ? process.execPath : STUB_SCRIPT;
export const STUB_ENV: Record<string, string> = WINDOWS
  ? { NODE_OPTIONS: `--import=${new URL('as-codex.mjs', import.meta.url)}` }
  : {};

/** A ChatGPT login as Codex writes it. The tokens are made up, and worth nothing. */
export const CHATGPT_LOGIN = {
  auth_mode: 'chatgpt',
  OPENAI_API_KEY: null,
  tokens: {
    id_token: 'eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYi5jIn0.c2ln',
    access_token: 'eyJhbGciOiJub25lIn0.eyJleHAiOjk5OTk5OTk5OTl9.c2ln',
    refresh_token: 'rt_made-up',
    account_id: 'made-up',
  },
  last_refresh: '2026-01-01T00:00:00Z',
};

export class StubCodex {
  /** CODEX_HOME. Never below the temp directory, where the real CLI refuses its helpers. */
  readonly home: string;
  /** The user's home. */
  readonly user: string;
  /** The directory for temporary files: all that a run may leave behind in passing. */
  readonly temporary: string;
  /** Where the stub finds its orders and leaves what it saw. */
  readonly desk: string;
  /** Free for the spec's own files. */
  readonly scratch: string;
  /** What tells this world's processes from all others. */
  readonly marker = randomUUID();

  private constructor(private readonly root: string) {
    this.home = path.join(root, 'codex-home');
    this.user = path.join(root, 'user');
    this.temporary = path.join(root, 'tmp');
    this.desk = path.join(root, 'desk');
    this.scratch = path.join(root, 'scratch');
  }

  static async create(): Promise<StubCodex> {
    const codex = new StubCodex(makeHomeDirectory());
    for (const directory of [codex.home, codex.user, codex.temporary, codex.desk, codex.scratch]) {
      await mkdir(directory, { recursive: true });
    }
    await codex.login(CHATGPT_LOGIN);
    return codex;
  }

  /** The environment of a run in this world. */
  get env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      ...directories(this.user, this.temporary),
      CODEX_HOME: this.home,
      ...STUB_ENV,
      STUB_CODEX: this.desk,
      CODEX_IMAGE_TEST_RUN: this.marker,
    };
  }

  options(overrides: Partial<GenerateOptions> = {}): GenerateOptions {
    return {
      prompt: 'a red fox',
      codexPath: STUB,
      env: this.env,
      timeoutMs: 60_000,
      // What 'auto' is everywhere but on Windows, where it is no sandbox at all.
      ...(WINDOWS ? { sandbox: 'workspace-write' } : {}),
      ...overrides,
    };
  }

  /** Writes `auth.json`; a string is written as it is, null removes the file. */
  async login(auth: object | string | null): Promise<void> {
    const file = path.join(this.home, 'auth.json');
    if (auth === null) await rm(file, { force: true });
    else await writeFile(file, typeof auth === 'string' ? auth : JSON.stringify(auth));
  }

  async config(toml: string): Promise<void> {
    await writeFile(path.join(this.home, 'config.toml'), toml);
  }

  async order(orders: Orders | Step[]): Promise<void> {
    const whole: Orders = Array.isArray(orders) ? { exec: orders } : orders;
    await writeFile(path.join(this.desk, 'orders.json'), JSON.stringify(whole));
  }

  async generate(
    orders: Orders | Step[],
    overrides?: Partial<GenerateOptions>,
    onProgress?: OnProgress,
  ): Promise<Buffer> {
    await this.order(orders);
    return generateCodexImage(this.options(overrides), onProgress);
  }

  async generateDetailed(
    orders: Orders | Step[],
    overrides?: Partial<GenerateOptions>,
    onProgress?: OnProgress,
  ): Promise<GeneratedImage> {
    await this.order(orders);
    return generateCodexImageDetailed(this.options(overrides), onProgress);
  }

  /** Resolves when the stub has performed `{ do: 'reach', mark }`. */
  async reached(mark: string): Promise<void> {
    while (!this.hasReached(mark)) await sleep(5);
  }

  hasReached(mark: string): boolean {
    return existsSync(path.join(this.desk, `${mark}.mark`));
  }

  /** Lets the stub go on from `{ do: 'await', gate }`. */
  async open(gate: string): Promise<void> {
    await writeFile(path.join(this.desk, `${gate}.gate`), '');
  }

  /** What each stub process saw, in the order in which they were started. */
  async recordings(): Promise<Recording[]> {
    const names = (await readdir(this.desk)).filter((name) => name.endsWith('.recording.json'));
    const files = names.map((name) => readFile(path.join(this.desk, name), 'utf8'));
    const all = (await Promise.all(files)).map((text): Recording => JSON.parse(text));
    return all.toSorted((a, b) => a.startedAt - b.startedAt);
  }

  /** What the one `codex exec` saw. */
  async turn(): Promise<Recording> {
    const turns = (await this.recordings()).filter(({ command }) => command === 'exec');
    expect(turns, 'turns started').toHaveLength(1);
    return turns[0] as Recording;
  }

  /** All of this world belongs to that user from now on. */
  giveTo(user: number): void {
    expect(spawnSync('chown', ['-R', String(user), this.root]).status).toBe(0);
  }

  /** The process id of the daemon that is known by nothing else. */
  async daemon(): Promise<number> {
    return Number(await readFile(path.join(this.desk, 'daemon.pid'), 'utf8'));
  }

  survivors(): Survivor[] {
    return survivors(this.marker, this.root);
  }

  /** Names of the workspaces that still exist. */
  async workspaces(): Promise<string[]> {
    return (await readdir(this.temporary)).filter((name) => name.startsWith('od-codex-image-'));
  }

  /** Nothing of a run may be left once its promise has settled. */
  async expectNothingLeft(): Promise<void> {
    expect(this.survivors(), 'processes left').toEqual([]);
    expect(await this.workspaces(), 'workspaces left').toEqual([]);
  }

  async close(): Promise<void> {
    try {
      await this.expectNothingLeft();
    } finally {
      for (const { pid } of this.survivors()) process.kill(pid, 'SIGKILL');
      // Windows lets go of a program's file a moment after its end. (So many times at every level of the tree.)
      await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
    }
  }
}

/** Puts the stub at `file`, and returns its full name: a program of Windows's has an extension. */
export async function installStub(file: string): Promise<string> {
  const program = WINDOWS ? `${file}.exe` : file;
  await mkdir(path.dirname(program), { recursive: true });
  // A link to a program that runs, as this Node does, could not be removed there.
  if (WINDOWS) await copyFile(STUB, program, constants.COPYFILE_FICLONE);
  else await symlink(STUB, program);
  return program;
}

/** The first call starts the runtime, which keeps its descriptors and threads for those that follow. */
const runtime = recoverCodexImage({ threadId: randomUUID(), codexHome: NOWHERE }).catch(() => {});

export const test = base.extend<{ codex: StubCodex }>({
  codex: async ({ task }, use) => {
    await runtime;
    const before = footprint();
    const codex = await StubCodex.create();
    await use(codex);
    await codex.close();
    // Tests at the same time hold what is theirs.
    if (task.concurrent !== true) {
      expect(await heldSince(before), 'more held than before').toEqual({});
    }
  },
});

/** The error of a failed call, which must be one of ours. */
export async function failure(call: Promise<unknown>): Promise<CodexImageError> {
  const outcome = await call.then(
    () => 'resolved',
    (reason: unknown) => reason,
  );
  expect(outcome).toBeInstanceOf(Error);
  expect(outcome).toMatchObject({ name: 'CodexImageError' });
  return outcome as CodexImageError;
}

/** The values of an option that may be given several times, each in an argument of its own. */
export function valuesOf(option: string, args: readonly string[]): string[] {
  return args.filter((_, at) => args[at - 1] === option);
}

/** Collects progress. */
export function listener(): {
  events: ProgressEvent[];
  messages: string[];
  onProgress: OnProgress;
} {
  const events: ProgressEvent[] = [];
  const messages: string[] = [];
  const onProgress: OnProgress = (message, event) => {
    messages.push(message);
    events.push(event);
  };
  return { events, messages, onProgress };
}

// ── Orders that many specs share ────────────────────────────────────────────────────────────────

export function save(
  where: 'store' | 'workspace',
  bytes: Uint8Array,
  rest: {
    name?: string;
    thread?: string;
    pieces?: number;
    everyMs?: number;
    modified?: string;
  } = {},
): Step {
  return { do: 'save', where, base64: Buffer.from(bytes).toString('base64'), ...rest };
}

/** A picture in the thread's own record. */
export function record(
  form: RecordForm,
  bytes: Uint8Array,
  rest: { revisedPrompt?: string; thread?: string } = {},
): Step {
  return { do: 'record', form, base64: Buffer.from(bytes).toString('base64'), ...rest };
}

export function print(to: 'stdout' | 'stderr', data: string | Uint8Array, pieces?: number): Step {
  const base64 = Buffer.from(data as string).toString('base64');
  return { do: 'write', to, base64, ...(pieces === undefined ? {} : { pieces }) };
}

export function say(text: string): Step {
  return item({ type: 'agent_message', text });
}

export function item(members: { type: string; [member: string]: unknown }): Step {
  return { do: 'emit', event: { type: 'item.completed', item: { id: 'item_0', ...members } } };
}

/** Codex has lost its connection and tries for the `n`th time to get it back. */
export function reconnecting(n: number, why = 'stream disconnected before completion'): Step {
  return { do: 'emit', event: { type: 'error', message: `Reconnecting... ${n}/5 (${why})` } };
}

export const THREAD: Step = { do: 'thread' };
export const TURN_STARTED: Step = { do: 'emit', event: { type: 'turn.started' } };
export const USAGE = {
  input_tokens: 1200,
  cached_input_tokens: 800,
  output_tokens: 90,
  reasoning_output_tokens: 30,
};
export const TURN_COMPLETED: Step = { do: 'emit', event: { type: 'turn.completed', usage: USAGE } };

export function turnFailed(message: string): Step {
  return { do: 'emit', event: { type: 'turn.failed', error: { message } } };
}

/** A turn as the real CLI shows it, around the steps that matter to the spec. */
export function turn(...steps: Step[]): Step[] {
  return [THREAD, TURN_STARTED, ...steps, TURN_COMPLETED];
}
