// The `codex` fixture: the stub of Codex, with directories of its own. Asserts after
// each test that no process, workspace, descriptor, thread or zombie is left.

import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { test as base, expect } from 'vitest';

import {
  generateCodexImage,
  generateCodexImageDetailed,
  type GeneratedImage,
  type GenerateOptions,
  type OnProgress,
  recoverCodexImage,
} from '../../../index.js';
import { footprint, heldSince } from '../process/footprint.js';
import { leftIn, makeHomeDirectory } from '../homes.mjs';
import { CHATGPT_LOGIN } from '../call/login.mjs';
import { directories, NOWHERE, WINDOWS } from '../platform.js';
import type { StubScript, Recording, Step } from './stub-script.js';
import { SCRIPT_STUB, SCRIPT_STUB_ENV } from './stub-program.js';
import { type Survivor, survivors } from '../process/survivors.js';

/** Prefix of a run directory's name, before the id of the run: `PREFIX` of src/run_dir.rs. */
export const RUN_DIR_PREFIX = 'od-codex-image-';
const OF_THE_SPEC = 'of the spec';

export class StubCodex {
  /** CODEX_HOME. Never below the temp directory, where the real CLI refuses its helpers. */
  readonly home: string;
  /** The user's home. */
  readonly user: string;
  /** The directory for temporary files, in which run directories are made. */
  readonly temporary: string;
  /** The directory in which the stub reads its script and writes its recordings. */
  readonly controlDir: string;
  /** For the spec's own files. */
  readonly scratch: string;
  /** Marks the processes of this fixture, in their environment. */
  readonly marker = randomUUID();

  private constructor(private readonly root: string) {
    this.home = path.join(root, 'codex-home');
    this.user = path.join(root, 'user');
    this.temporary = path.join(root, 'tmp');
    this.controlDir = path.join(root, 'control');
    this.scratch = path.join(root, 'scratch');
  }

  static async create(): Promise<StubCodex> {
    const codex = new StubCodex(makeHomeDirectory());
    for (const directory of [
      codex.home,
      codex.user,
      codex.temporary,
      codex.controlDir,
      codex.scratch,
    ]) {
      await mkdir(directory, { recursive: true });
    }
    await codex.login(CHATGPT_LOGIN);
    return codex;
  }

  /** The environment of a call. */
  get env(): Record<string, string> {
    return {
      PATH: process.env['PATH'] ?? '',
      ...directories(this.user, this.temporary),
      CODEX_HOME: this.home,
      ...SCRIPT_STUB_ENV,
      STUB_CONTROL_DIR: this.controlDir,
      CODEX_IMAGE_TEST_RUN: this.marker,
    };
  }

  options(overrides: Partial<GenerateOptions> = {}): GenerateOptions {
    return {
      prompt: 'a red fox',
      codexPath: SCRIPT_STUB,
      env: this.env,
      timeoutMs: 60_000,
      // The meaning of 'auto', except on Windows, where 'auto' is no sandbox.
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

  async play(script: StubScript | Step[]): Promise<void> {
    const whole: StubScript = Array.isArray(script) ? { exec: script } : script;
    await writeFile(path.join(this.controlDir, 'script.json'), JSON.stringify(whole));
  }

  async generate(
    script: StubScript | Step[],
    overrides?: Partial<GenerateOptions>,
    onProgress?: OnProgress,
  ): Promise<Buffer> {
    await this.play(script);
    return generateCodexImage(this.options(overrides), onProgress);
  }

  async generateDetailed(
    script: StubScript | Step[],
    overrides?: Partial<GenerateOptions>,
    onProgress?: OnProgress,
  ): Promise<GeneratedImage> {
    await this.play(script);
    return generateCodexImageDetailed(this.options(overrides), onProgress);
  }

  /** Resolves when the stub has performed `{ do: 'reach', mark }`. */
  async reached(mark: string): Promise<void> {
    while (!this.hasReached(mark)) await sleep(5);
  }

  hasReached(mark: string): boolean {
    return existsSync(path.join(this.controlDir, `${mark}.mark`));
  }

  /** Ends the stub's `{ do: 'await', gate }`. */
  async open(gate: string): Promise<void> {
    await writeFile(path.join(this.controlDir, `${gate}.gate`), '');
  }

  /** What each stub process recorded, in the order in which they started. */
  async recordings(): Promise<Recording[]> {
    const names = (await readdir(this.controlDir)).filter((name) =>
      name.endsWith('.recording.json'),
    );
    const files = names.map((name) => readFile(path.join(this.controlDir, name), 'utf8'));
    const all = (await Promise.all(files)).map((text): Recording => JSON.parse(text));
    return all.toSorted((a, b) => a.startedAt - b.startedAt);
  }

  /** What the only `codex exec` recorded. */
  async turn(): Promise<Recording> {
    const turns = (await this.recordings()).filter(({ command }) => command === 'exec');
    expect(turns, 'turns started').toHaveLength(1);
    return turns[0] as Recording;
  }

  /** Gives all directories to that user. */
  giveTo(user: number): void {
    expect(spawnSync('chown', ['-R', String(user), this.root]).status).toBe(0);
  }

  /** The process id of the step `doubleFork` that is known by `nothing`. */
  async doubleForked(): Promise<number> {
    return Number(await readFile(path.join(this.controlDir, 'double-forked.pid'), 'utf8'));
  }

  survivors(): Survivor[] {
    return survivors(this.marker, this.root);
  }

  /** Makes a directory for the spec's own files below the one for temporary files. */
  async ownTemporary(name: string): Promise<string> {
    const directory = path.join(this.temporary, OF_THE_SPEC, name);
    await mkdir(directory, { recursive: true });
    return directory;
  }

  /** Names of the run directories that still exist: of all temporary files but the spec's own. */
  runDirs(): string[] {
    return leftIn(this.temporary).filter((name) => name !== OF_THE_SPEC);
  }

  /** Asserts that no process and no run directory is left. */
  async expectNothingLeft(processes = this.survivors()): Promise<void> {
    expect(processes, 'processes left').toEqual([]);
    expect(this.runDirs(), 'run directories left').toEqual([]);
  }

  async close(): Promise<void> {
    const left = this.survivors();
    try {
      await this.expectNothingLeft(left);
    } finally {
      for (const { pid } of left) process.kill(pid, 'SIGKILL');
      // Windows closes a program's file a moment after its end. Tries so often at every level.
      await rm(this.root, { recursive: true, force: true, maxRetries: 3 });
    }
  }
}

/** Starts the runtime, which keeps descriptors and threads for later calls. */
const runtime = recoverCodexImage({ threadId: randomUUID(), codexHome: NOWHERE }).catch(() => {});

export const test = base.extend<{ codex: StubCodex }>({
  codex: async ({ task }, use) => {
    await runtime;
    const before = footprint();
    const codex = await StubCodex.create();
    await use(codex);
    await codex.close();
    // Concurrent tests hold resources of their own meanwhile.
    if (task.concurrent !== true) {
      expect(await heldSince(before), 'more held than before').toEqual({});
    }
  },
});
