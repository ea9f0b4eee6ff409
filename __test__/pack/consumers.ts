// Projects that install the package: an empty one for each runtime, with a program for each way to
// use it.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { build } from 'esbuild';

import type { GenerateOptions } from '../../index.js';
import { tool } from '../../scripts/bootstrap.mjs';
import { buildCompiledStub } from '../support/stub/cargo-example.js';
import { DemoBackend } from '../support/cli/demo-backend.js';
import { type Home, makeHome } from '../support/loopback/home.js';
import { npm } from '../support/npm/npm.js';
import { makeCallEnvironment, type CallEnvironment } from '../support/load/call-environment.js';
import { png } from '../support/image/small-png.js';
import { HostProcess, SCRIPT as HOST_PROCESS } from '../support/process/host-process.js';
import { root } from './release.js';
import { type Command, makeProject, type Runtime } from './tools.js';

const run = promisify(execFile);
const PROGRAMS = fileURLToPath(new URL('consumers/', import.meta.url));

export class Consumer {
  #caches: NodeJS.ProcessEnv = {};

  constructor(
    readonly directory: string,
    readonly runtime: Runtime,
    private readonly registry: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** An empty project with the package from the registry, and the programs that use it. */
  async install(...options: string[]): Promise<void> {
    const { others } = this.runtime;
    await rm(this.directory, { recursive: true, force: true });
    this.#caches = await makeProject(this.directory, this.registry);
    await cp(PROGRAMS, this.directory, { recursive: true });
    await cp(HOST_PROCESS, path.join(this.directory, 'host-process.mjs'));
    const quiet = ['--no-audit', '--no-fund', '--no-package-lock'];
    if (others === undefined) await this.#npm(['install', 'codex-image', ...quiet, ...options]);
    else await this.#run([...others.add, ...options]);
  }

  /** The installed packages, by name. */
  async installed(): Promise<string[]> {
    const modules = path.join(this.directory, 'node_modules');
    // Deno keeps the dependencies of dependencies in the second one.
    const directories = [modules, path.join(modules, '.deno', 'node_modules')].filter(existsSync);
    const names = await Promise.all(directories.map((directory) => readdir(directory)));
    return [...new Set(names.flat())].filter((name) => !name.startsWith('.')).toSorted();
  }

  /** Reads a file of the project. */
  async read(name: string): Promise<Buffer> {
    return readFile(path.join(this.directory, name));
  }

  /** Returns what a program prints. */
  async runs(program: string, ...args: string[]): Promise<unknown> {
    return JSON.parse(await this.#run([...this.runtime.run, program, ...args]));
  }

  /** Starts a host process with a call that runs until the host process or its worker ends. */
  host(options: GenerateOptions, how: { inWorker: boolean }): HostProcess {
    const program = path.join(this.directory, 'host-process.mjs');
    const [file, ...args] = this.runtime.run;
    return new HostProcess(options, {
      ...how,
      program: [file, ...args, program],
      from: 'codex-image',
    });
  }

  /** Returns what a command of the package prints. */
  async command(env: NodeJS.ProcessEnv, name: string, ...args: string[]): Promise<string> {
    const { others } = this.runtime;
    if (others !== undefined) return this.#run([...others.command(name), ...args], env);
    return this.#npm(['exec', '--no', '--package=codex-image', '--', name, ...args], env);
  }

  /** Returns the exit code of a command of the package. */
  async exitCode(env: NodeJS.ProcessEnv, name: string, ...args: string[]): Promise<unknown> {
    const failure: unknown = await this.command(env, name, ...args).catch((error) => error.cause);
    return (failure as { code?: unknown }).code;
  }

  /** Starts the demo backend by npm's link. */
  async startDemoBackend(env: NodeJS.ProcessEnv): Promise<DemoBackend> {
    const link = path.join(this.directory, 'node_modules', '.bin', 'codex-image-demo-backend');
    return DemoBackend.start(link, env, this.runtime.run[0]);
  }

  /** Compiles the TypeScript beside its source, with the types of this repository's Node. */
  async compile(): Promise<void> {
    const project = path.join(this.directory, 'typescript');
    const types = path.join(root, 'node_modules', '@types');
    await tool('typescript', '--project', project, '--typeRoots', types);
  }

  /** Bundles the daemon. */
  async bundle(): Promise<void> {
    await build({
      entryPoints: [path.join(this.directory, 'daemon', 'main.mjs')],
      outfile: path.join(this.directory, 'daemon.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      external: ['codex-image'],
      logLevel: 'error',
    });
  }

  async #npm(args: string[], env?: NodeJS.ProcessEnv): Promise<string> {
    const [node] = this.runtime.run;
    return npm(args, { cwd: this.directory, node, env: { ...this.env, ...env } });
  }

  async #run([file, ...args]: Command, env?: NodeJS.ProcessEnv): Promise<string> {
    const options = { cwd: this.directory, env: { ...this.env, ...this.#caches, ...env } };
    return (await run(file, args, options)).stdout;
  }
}

/** The compiled stub, which draws a known image, and the environment of its calls. */
export class DrawingStub {
  readonly picture = png({ width: 32, height: 32 });

  private constructor(
    private readonly program: string,
    private readonly home: Home,
    private readonly callEnv: CallEnvironment,
  ) {}

  static async create(): Promise<DrawingStub> {
    // The addon only needs a login, and the stub connects to no server.
    const home = await makeHome({ origin: 'https://127.0.0.1:9', ca: '' });
    const stub = new DrawingStub(await buildCompiledStub(), home, await makeCallEnvironment(home));
    await writeFile(path.join(home.path, 'picture.png'), stub.picture);
    return stub;
  }

  /** The environment of a call, with a new thread each time. */
  get env(): Record<string, string> {
    return {
      ...this.callEnv.env,
      // npm of Node 22 and newer keeps compiled code in the directory for temporary files.
      NODE_DISABLE_COMPILE_CACHE: '1',
      CODEX_BIN: this.program,
      STUB_STEPS: 'thread message save tool hang',
      STUB_THREAD: randomUUID(),
      STUB_PICTURE: path.join(this.home.path, 'picture.png'),
    };
  }

  /** The options of a call, as an argument. */
  get options(): string {
    return JSON.stringify({ prompt: 'a red fox', env: this.env });
  }

  /** The options of a call that does not end by itself. Codex and its two tools ignore signals. */
  get endless(): GenerateOptions {
    const STUB_STEPS = 'ignore_signals thread tool tool message hang';
    return { prompt: 'a red fox', env: { ...this.env, STUB_STEPS }, killGraceMs: 300 };
  }

  /** Returns how many processes and run directories the calls have left. */
  leftovers(): number {
    return this.callEnv.leftovers();
  }

  /** Returns how many processes the calls have left. */
  processes(): number {
    return this.callEnv.processes().length;
  }

  async close(): Promise<void> {
    await Promise.all([this.callEnv.remove(), this.home.remove()]);
  }
}
