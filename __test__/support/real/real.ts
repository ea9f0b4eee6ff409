// The `real` fixture: the real Codex CLI, with a loopback backend and directories of its own.
// Asserts after each test that no process and no file is left.

import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as turnOfTheLoop, setTimeout as sleep } from 'node:timers/promises';

import { test as base, expect } from 'vitest';

import {
  generateCodexImage,
  generateCodexImageDetailed,
  type GeneratedImage,
  type GenerateOptions,
  type OnProgress,
} from '../../../index.js';
import { leftIn, makeHomeDirectory } from '../homes.mjs';
import {
  type Backend,
  type Home,
  type HomeOptions,
  type RecordedRequest,
  type Script,
  startBackend,
} from '../loopback/backend.js';
import { type ModelRequest, readModelRequest, turnMetadata } from '../loopback/request.js';
import { makePng } from '../image/picture.js';
import { directories, WINDOWS } from '../platform.js';
import { details, type RunningProcess, WindowsProcesses } from './real-processes.js';
import { isImageCall, isModelCall, toolOutputsIn } from './recorded-requests.js';
import { POLLING, type Survivor, survivors } from '../process/survivors.js';
import type { Variant } from './variants.js';

/** The picture of specs to which its size does not matter. */
export const PICTURE = makePng({ width: 96, height: 64, seed: 1 });

export class RealCodex {
  /** The user's home. */
  readonly user: string;
  /** The directory for temporary files, in which run directories are made. */
  readonly temporary: string;
  /** For the spec's own files. */
  readonly scratch: string;
  /** Marks the processes of this fixture, in their environment. */
  readonly marker = randomUUID();
  /** Rejects when the last call has settled, for what waits for an event during it. */
  #over: Promise<never> = new Promise(() => {});
  #closed = false;
  /** Finds the processes on Windows. */
  readonly #windows: WindowsProcesses;

  private constructor(
    private readonly root: string,
    readonly backend: Backend,
    /** CODEX_HOME, and what leads from it to the backend. */
    public home: Home,
  ) {
    this.user = path.join(root, 'user');
    this.temporary = path.join(root, 'tmp');
    this.scratch = path.join(root, 'scratch');
    this.#windows = new WindowsProcesses(root);
  }

  static async create(): Promise<RealCodex> {
    const backend = await startBackend([]);
    const real = new RealCodex(makeHomeDirectory(), backend, await backend.home());
    for (const directory of [real.user, real.temporary, real.scratch]) {
      await mkdir(directory, { recursive: true });
    }
    return real;
  }

  /** Makes another CODEX_HOME for later calls. */
  async moveTo(options: HomeOptions): Promise<void> {
    this.home = await this.backend.home(options);
  }

  /** The environment of a call. */
  get env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      ...directories(this.user, this.temporary),
      CODEX_IMAGE_TEST_RUN: this.marker,
      ...this.home.env,
    };
  }

  options({ cli, model }: Variant, overrides: Partial<GenerateOptions> = {}): GenerateOptions {
    // Less than the limit of a test, so that a call that hangs fails with TIMEOUT.
    const timeoutMs = 120_000;
    return {
      prompt: 'a red fox',
      codexPath: cli.launcher,
      model,
      env: this.env,
      timeoutMs,
      ...overrides,
    };
  }

  generate(
    variant: Variant,
    script: Script,
    overrides?: Partial<GenerateOptions>,
    onProgress?: OnProgress,
  ): Promise<Buffer> {
    this.backend.play(script);
    return this.#follow(generateCodexImage(this.options(variant, overrides), onProgress));
  }

  generateDetailed(
    variant: Variant,
    script: Script,
    overrides?: Partial<GenerateOptions>,
    onProgress?: OnProgress,
  ): Promise<GeneratedImage> {
    this.backend.play(script);
    return this.#follow(generateCodexImageDetailed(this.options(variant, overrides), onProgress));
  }

  #follow<T>(call: Promise<T>): Promise<T> {
    this.#over = call.then((): never => {
      throw new Error('the call was over too early');
    });
    // Handled where the call, or an event during it, is awaited.
    this.#over.catch(() => {});
    return call;
  }

  /** Resolves with `moment`. Rejects if the call settles before. */
  during<T>(moment: Promise<T>): Promise<T> {
    return Promise.race([moment, this.#over]);
  }

  /** The requests to the model so far, in order. */
  modelCalls(): RecordedRequest[] {
    return this.backend.requests.filter(isModelCall);
  }

  /** Resolves when the model has been called `times` times. */
  async modelCalled(times = 1): Promise<void> {
    await this.during(this.backend.until((request) => this.modelCalls()[times - 1] === request));
  }

  /** Resolves when the CLI itself requests the image, which it never does with the hosted tool. */
  async imageCalled(): Promise<void> {
    await this.during(this.backend.until(isImageCall));
  }

  imageCalls(): RecordedRequest[] {
    return this.backend.requests.filter(isImageCall);
  }

  /** The first request to the model. */
  asked(): ModelRequest {
    const [first] = this.modelCalls();
    if (first === undefined) return expect.unreachable('the model was not called');
    return readModelRequest(first.body, first.headers);
  }

  /** The thread id that the CLI sent to the backend. */
  threadId(): string | undefined {
    return turnMetadata(this.modelCalls()[0]?.headers ?? {}).threadId;
  }

  /** What the tools returned to the model, in order, without images. */
  toolOutputs(): string[] {
    return toolOutputsIn(this.modelCalls().at(-1));
  }

  /**
   * Resolves when all requests that have reached this machine are recorded: the event loop takes
   * them from the kernel within one turn.
   */
  async caughtUp(): Promise<void> {
    for (let turns = 0; turns < 3; turns += 1) await turnOfTheLoop();
  }

  /** The processes of this fixture that live now. */
  processes(): RunningProcess[] {
    if (WINDOWS) return this.#windows.scanSync();
    return this.survivors().flatMap((survivor) => details(survivor) ?? []);
  }

  /** Resolves when a process of this fixture runs that command. */
  async runs(command: string): Promise<void> {
    await this.during(this.#appears(command));
  }

  async #appears(command: string): Promise<void> {
    // On Windows the command is part of the shell's.
    const isIt = (running: Survivor): boolean =>
      WINDOWS ? running.command.includes(command) : running.command === command;
    while (!this.#closed && !(await this.#scan()).some(isIt)) {
      // The backend shares this thread.
      await sleep(POLLING.interval);
    }
  }

  /** The survivors, found without blocking the backend where a scan is slow. */
  async #scan(): Promise<Survivor[]> {
    return WINDOWS ? this.#windows.scan() : this.survivors();
  }

  survivors(): Survivor[] {
    return WINDOWS ? this.#windows.scanSync() : survivors(this.marker, this.root);
  }

  /** Temporary files that are left, without those that Codex itself never removes. */
  leftFiles(): string[] {
    return leftIn(this.temporary);
  }

  /** Asserts that no process and no file is left. */
  async expectNothingLeft(processes?: Survivor[]): Promise<void> {
    expect(processes ?? (await this.#scan()), 'processes left').toEqual([]);
    expect(this.leftFiles(), 'files left').toEqual([]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    // Before the backend closes, which would end a CLI that is still connected.
    const left = await this.#scan();
    try {
      await this.expectNothingLeft(left);
    } finally {
      for (const { pid } of left) process.kill(pid, 'SIGKILL');
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
