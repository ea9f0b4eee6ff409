// A project, a daemon with the documented edits, and its client, for the stub or the real CLI.
// After a test the daemon stops, and then the CLI's fixture asserts that nothing is left.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect, vi } from 'vitest';

import type { RenderOverrides } from '../../../dist/open-design.mjs';
import { type RealCodex, test as realTest } from '../../support/real/real.js';
import type { Variant } from '../../support/real/variants.js';
import { type StubCodex, test as stubTest } from '../../support/stub/stub.js';
import { SCRIPT_STUB } from '../../support/stub/stub-program.js';
import type { MediaExecutionPolicy } from '../upstream/apps/daemon/src/media/policy.js';
import type { LiveMediaTask } from '../upstream/apps/daemon/src/media/task-store.js';
import { Client } from './client.js';
import { buildDaemon, compose, discard, readBlocks } from './compose.js';

export type Environment = Record<string, string | undefined>;

interface Runtime {
  url: string;
  mediaTasks: Map<string, LiveMediaTask>;
  stop: () => Promise<void>;
}

/** The directory of a composed and built daemon. */
export type DaemonBuild = string;

export class Daemon {
  client: Client;
  /** The daemon's log, by lines. */
  readonly log: string[] = [];
  #runtime: Runtime | undefined;
  #policy: MediaExecutionPolicy = { mode: 'enabled' };
  readonly #listening = vi
    .spyOn(console, 'error')
    .mockImplementation((line: unknown) => void this.log.push(String(line)));
  readonly #root: string;
  readonly #files: string;
  readonly #tasks: string;

  private constructor(
    scratch: string,
    private build: DaemonBuild,
  ) {
    this.#root = path.join(scratch, 'open-design');
    this.#files = path.join(this.#root, '.od', 'projects', Client.PROJECT);
    this.#tasks = path.join(this.#root, '.od', 'tasks.json');
    this.client = new Client('');
  }

  static async open(scratch: string, build: DaemonBuild): Promise<Daemon> {
    const daemon = new Daemon(scratch, build);
    await mkdir(daemon.#files, { recursive: true });
    await daemon.start();
    return daemon;
  }

  /** Starts the daemon in the directory of the one before. */
  async start(): Promise<void> {
    const built = path.join(this.build, 'apps/daemon/dist/daemon-startup.js');
    const { startDaemonRuntime } = (await import(pathToFileURL(built).href)) as {
      startDaemonRuntime: (options: object) => Promise<Runtime>;
    };
    const mediaExecution = () => this.#policy;
    this.#runtime = await startDaemonRuntime({ projectRoot: this.#root, mediaExecution });
    this.client = new Client(this.#runtime.url);
  }

  async stop(): Promise<void> {
    await this.#runtime?.stop();
    this.#runtime = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    this.#listening.mockRestore();
  }

  /** Continues with another build. */
  async restart(build: DaemonBuild): Promise<void> {
    await this.stop();
    this.build = build;
    await this.start();
  }

  /** Sets the daemon's environment from now on. */
  resolve(environment: Environment): void {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  }

  /** Sets what the user saved for Codex. */
  async save(settings: Record<string, string>): Promise<void> {
    const file = path.join(this.#root, '.od', 'app-config.json');
    await writeFile(file, JSON.stringify({ agentCliEnv: { codex: settings } }));
  }

  allow(policy: MediaExecutionPolicy): void {
    this.#policy = policy;
  }

  /** Returns the task itself, with what its clients cannot see. */
  task(id: string): LiveMediaTask {
    const task = this.#runtime?.mediaTasks.get(id);
    if (task === undefined) return expect.unreachable(`there is no task ${id}`);
    return task;
  }

  /** Returns the task as it is on disk. */
  async row(id: string): Promise<unknown> {
    return (JSON.parse(await this.rows()) as Record<string, unknown>)[id];
  }

  /** Returns all tasks as they are on disk. */
  rows(): Promise<string> {
    return readFile(this.#tasks, 'utf8');
  }

  /** Starts the daemon after one that died and left these tasks. */
  async startAfter(rows: string): Promise<void> {
    await this.stop();
    await writeFile(this.#tasks, rows);
    await this.start();
  }

  /** Resolves when that many clients wait for the task. */
  async followed(id: string, times: number): Promise<void> {
    await expect.poll(() => this.task(id).waiters.size).toBe(times);
  }

  /** Writes a file into the project. */
  async add(name: string, bytes: Uint8Array): Promise<string> {
    const file = path.join(this.#files, name);
    await writeFile(file, bytes);
    return file;
  }

  read(name: string): Promise<Buffer> {
    return readFile(path.join(this.#files, name));
  }

  /** The names of the project's files. */
  async files(): Promise<string[]> {
    return (await readdir(this.#files)).toSorted();
  }
}

/** The overrides of a daemon that has resolved the stub. */
export function stubbed(codex: StubCodex): RenderOverrides {
  return { executable: SCRIPT_STUB, environment: codex.env };
}

/** The environment of a daemon that finds the stub. */
export function stubbedEnv(codex: StubCodex): Environment {
  return { ...codex.env, CODEX_BIN: SCRIPT_STUB };
}

/** The same for the real CLI. */
export function installedEnv(real: RealCodex, variant: Variant): Environment {
  return { ...real.env, CODEX_BIN: variant.cli.launcher };
}

/** Composed and built once for all tests of a file. */
async function useBuild(use: (build: DaemonBuild) => Promise<void>): Promise<void> {
  const build = await compose(await readBlocks());
  try {
    await buildDaemon(build);
    await use(build);
  } finally {
    await discard(build);
  }
}

async function useDaemon(
  scratch: string,
  build: DaemonBuild,
  environment: Environment,
  use: (daemon: Daemon) => Promise<void>,
): Promise<void> {
  const daemon = await Daemon.open(scratch, build);
  daemon.resolve(environment);
  try {
    await use(daemon);
  } finally {
    await daemon.close();
    vi.unstubAllEnvs();
  }
}

export const test = stubTest.extend<{ daemon: Daemon; daemonBuild: DaemonBuild }>({
  // vitest reads a fixture's needs off its first parameter.
  // oxlint-disable-next-line no-empty-pattern
  daemonBuild: [({}, use) => useBuild(use), { scope: 'file' }],
  daemon: ({ codex, daemonBuild }, use) =>
    useDaemon(codex.scratch, daemonBuild, stubbedEnv(codex), use),
});

export const testReal = realTest.extend<{ daemon: Daemon; daemonBuild: DaemonBuild }>({
  // oxlint-disable-next-line no-empty-pattern
  daemonBuild: [({}, use) => useBuild(use), { scope: 'file' }],
  daemon: ({ real, daemonBuild }, use) => useDaemon(real.scratch, daemonBuild, real.env, use),
});
