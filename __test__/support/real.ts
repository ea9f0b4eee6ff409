// The real Codex CLI in a world of its own: backend, home, login, temp directory. Every spec that takes
// the `real` fixture also checks, after its own assertions, that no process and no file is left.

import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as turnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';

import { test as base, expect } from 'vitest';

import {
  generateCodexImage,
  generateCodexImageDetailed,
  type GeneratedImage,
  type GenerateOptions,
  type OnProgress,
} from '../../index.js';
import { type CodexCli, installCodex } from './codex-cli.js';
import { makeHomeDirectory } from './homes.mjs';
import {
  type Backend,
  type Home,
  type HomeOptions,
  type RecordedRequest,
  type Route,
  type Script,
  startBackend,
} from './loopback.js';
import { type ModelRequest, readModelRequest, turnMetadata } from './loopback/request.js';
import { directories, LINUX, WINDOWS } from './platform.js';
import { Family, look, type RunningProcess } from './real-processes.js';
import { type Survivor, survivors } from './survivors.js';

/** One of the ways in which the CLI draws. */
export interface Way {
  name: string;
  route: Route;
  cli: CodexCli;
  /** Where it is not the CLI's own choice. */
  model?: string;
}

// Before any test's clock starts: the first time, they come from npm.
const [HOSTED_CLI, OWN_CLI] = await Promise.all([installCodex('0.132.0'), installCodex('0.169.0')]);

export const HOSTED: Way = { name: '0.132.0, hosted tool', route: 'hosted', cli: HOSTED_CLI };
export const CODE: Way = { name: '0.169.0, code mode', route: 'code', cli: OWN_CLI };
export const DIRECT: Way = {
  name: '0.169.0, direct tool',
  route: 'direct',
  cli: OWN_CLI,
  model: 'gpt-5.5',
};
export const WAYS: readonly Way[] = [HOSTED, CODE, DIRECT];

/**
 * What an agent that has a shell is confined by, or not. Codex's sandbox for Windows takes a set-up by its user, and the package never
 * asks for it.
 */
export const SANDBOXES_WITH_SHELL = WINDOWS
  ? (['danger-full-access'] as const)
  : (['workspace-write', 'danger-full-access'] as const);

/** What makes the pictures of that version unverified for whoever runs these tests, and what is said besides. */
export function misgivings(
  { version }: CodexCli,
  sandbox: GenerateOptions['sandbox'] = 'workspace-write',
): { confined: boolean; warnings: unknown[] } {
  if (WINDOWS || sandbox !== 'workspace-write') return { confined: true, warnings: [] };
  const [, minor = NaN, patch = NaN] = version.split('.').map(Number);
  const holdsRoot = minor > 153 || (minor === 153 && patch >= 4);
  const confined = holdsRoot || !LINUX || process.getuid?.() !== 0;
  const warnings = [
    ...(confined ? [] : [expect.stringMatching(/^The picture is not verified: .* as root\./)]),
    ...(minor < 140 ? [expect.stringMatching(/^This version of Codex lets .* memories/)] : []),
  ];
  return { confined, warnings };
}

export class RealCodex {
  /** The user's home. */
  readonly user: string;
  /** The directory for temporary files: all that a run may leave behind in passing. */
  readonly temporary: string;
  /** Free for the spec's own files. */
  readonly scratch: string;
  /** What tells this world's processes from all others. */
  readonly marker = randomUUID();
  /** Rejects when the last call has settled: whoever waits for something during it waits in vain. */
  #over: Promise<never> = new Promise(() => {});
  #closed = false;
  /** On Windows. */
  readonly #family: Family;

  private constructor(
    private readonly root: string,
    readonly backend: Backend,
    /** CODEX_HOME, and what leads from it to the backend. */
    public home: Home,
  ) {
    this.user = path.join(root, 'user');
    this.temporary = path.join(root, 'tmp');
    this.scratch = path.join(root, 'scratch');
    this.#family = new Family(root);
  }

  static async create(): Promise<RealCodex> {
    const backend = await startBackend([]);
    const real = new RealCodex(makeHomeDirectory(), backend, await backend.home());
    for (const directory of [real.user, real.temporary, real.scratch]) {
      await mkdir(directory, { recursive: true });
    }
    return real;
  }

  /** Another CODEX_HOME for the runs to come. */
  async moveTo(options: HomeOptions): Promise<void> {
    this.home = await this.backend.home(options);
  }

  /** The environment of a run in this world. */
  get env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      ...directories(this.user, this.temporary),
      CODEX_IMAGE_TEST_RUN: this.marker,
      ...this.home.env,
    };
  }

  options({ cli, model }: Way, overrides: Partial<GenerateOptions> = {}): GenerateOptions {
    // Below the ceiling of a test, so that a call that hangs is told as one.
    const timeoutMs = 120_000;
    return {
      prompt: 'a red fox',
      codexPath: cli.shim,
      model,
      env: this.env,
      timeoutMs,
      ...overrides,
    };
  }

  generate(
    way: Way,
    script: Script,
    overrides?: Partial<GenerateOptions>,
    onProgress?: OnProgress,
  ): Promise<Buffer> {
    this.backend.play(script);
    return this.#follow(generateCodexImage(this.options(way, overrides), onProgress));
  }

  generateDetailed(
    way: Way,
    script: Script,
    overrides?: Partial<GenerateOptions>,
    onProgress?: OnProgress,
  ): Promise<GeneratedImage> {
    this.backend.play(script);
    return this.#follow(generateCodexImageDetailed(this.options(way, overrides), onProgress));
  }

  #follow<T>(call: Promise<T>): Promise<T> {
    this.#over = call.then((): never => {
      throw new Error('the call was over too early');
    });
    // Whoever awaits the call, or something during it, is told; nobody else has to be.
    this.#over.catch(() => {});
    return call;
  }

  /** Resolves with the moment, and rejects if the call is over before it comes. */
  during<T>(moment: Promise<T>): Promise<T> {
    return Promise.race([moment, this.#over]);
  }

  /** The calls of the model so far, in their order. */
  modelCalls(): RecordedRequest[] {
    return this.backend.requests.filter(isModelCall);
  }

  /** Resolves when the model has been called so often. */
  async modelCalled(times = 1): Promise<void> {
    await this.during(this.backend.until((request) => this.modelCalls()[times - 1] === request));
  }

  /** Resolves when the CLI itself asks for the picture; with the hosted tool it never does. */
  async imageCalled(): Promise<void> {
    await this.during(this.backend.until(isImageCall));
  }

  imageCalls(): RecordedRequest[] {
    return this.backend.requests.filter(isImageCall);
  }

  /** What the model was asked first. */
  asked(): ModelRequest {
    const [first] = this.modelCalls();
    if (first === undefined) return expect.unreachable('the model was not called');
    return readModelRequest(first.body, first.headers);
  }

  /** The thread that the CLI named to the backend. */
  threadId(): string | undefined {
    return turnMetadata(this.modelCalls()[0]?.headers ?? {}).threadId;
  }

  /** What the tools told the model, in their order, pictures left out. */
  toolOutputs(): string[] {
    const input = (this.modelCalls().at(-1)?.body as { input?: ToolOutput[] } | undefined)?.input;
    return (input ?? [])
      .filter(({ type }) => type.endsWith('_call_output'))
      .map(({ output = [] }) =>
        typeof output === 'string' ? output : output.map(({ text = '' }) => text).join('\n'),
      );
  }

  /**
   * Resolves when whatever had reached the backend by now is recorded: what the kernel holds for it is
   * handed over within a turn of the event loop.
   */
  async caughtUp(): Promise<void> {
    for (let turns = 0; turns < 3; turns += 1) await turnOfTheLoop();
  }

  /** What lives of this world at this moment. */
  processes(): RunningProcess[] {
    if (WINDOWS) return this.#family.members();
    return this.survivors().flatMap((survivor) => look(survivor) ?? []);
  }

  /** Resolves when a process of this world runs that command. */
  async runs(command: string): Promise<void> {
    await this.during(this.#appears(command));
  }

  async #appears(command: string): Promise<void> {
    // On Windows the shell runs it itself.
    const isIt = (running: Survivor): boolean =>
      WINDOWS ? running.command.includes(command) : running.command === command;
    while (!this.#closed && !(await this.#look()).some(isIt)) {
      // A look costs milliseconds, and the backend shares this thread.
      await sleep(50);
    }
  }

  /** The survivors, without keeping the backend from its work where a look takes its time. */
  async #look(): Promise<Survivor[]> {
    return WINDOWS ? this.#family.look() : this.survivors();
  }

  survivors(): Survivor[] {
    return WINDOWS ? this.#family.members() : survivors(this.marker, this.root);
  }

  /** What is left of temporary files, but for what Codex itself never tidies up. */
  async leftovers(): Promise<string[]> {
    const names = await readdir(this.temporary);
    return names.filter((name) => !/^codex-(daemon|bwrap)-/.test(name));
  }

  /** Nothing of a run may be left once its promise has settled. */
  async expectNothingLeft(): Promise<void> {
    expect(await this.#look(), 'processes left').toEqual([]);
    expect(await this.leftovers(), 'files left').toEqual([]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    try {
      // Before the backend: its end would be the end of a CLI that still talks to it.
      await this.expectNothingLeft();
    } finally {
      for (const { pid } of this.survivors()) process.kill(pid, 'SIGKILL');
      await this.backend.close();
      await rm(this.root, { recursive: true, force: true });
    }
  }
}

export const test = base.extend<{ real: RealCodex }>({
  // vitest reads a fixture's needs off its first parameter.
  // oxlint-disable-next-line no-empty-pattern
  real: async ({}, use) => {
    const real = await RealCodex.create();
    await use(real);
    await real.close();
  },
});

interface ToolOutput {
  type: string;
  output?: string | { text?: string }[];
}

function isModelCall({ method, path: target }: RecordedRequest): boolean {
  return method === 'POST' && target.endsWith('/responses');
}

function isImageCall({ method, path: target }: RecordedRequest): boolean {
  return method === 'POST' && /\/images\/(generations|edits)$/.test(target);
}
