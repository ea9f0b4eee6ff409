// Projects that install the package: an empty one for each Node, with a program for each way to use
// it.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { build } from 'esbuild';

import { tool } from '../../scripts/bootstrap.mjs';
import { buildCompiledStub } from '../support/stub/cargo-example.js';
import { DemoBackend } from '../support/cli/demo-backend.js';
import { type Home, makeHome } from '../support/loopback/home.js';
import { npm, npmInstall } from '../support/npm/npm.js';
import { makeCallEnvironment, type CallEnvironment } from '../support/load/call-environment.js';
import { png } from '../support/image/small-png.js';
import { root, work } from './release.js';

const run = promisify(execFile);
const PROGRAMS = fileURLToPath(new URL('consumers/', import.meta.url));

/** Returns that version of Node, from npm's package for this platform. */
export async function fetchNode(version: string): Promise<string> {
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const home = path.join(work, `node-${version}`);
  const node = path.join(home, 'node_modules', name, 'bin', 'node');
  const is = await run(node, ['--version']).catch(() => undefined);
  if (is?.stdout.trim() !== `v${version}`) {
    await mkdir(home, { recursive: true });
    await npmInstall(home, `${name}@${version}`);
  }
  return node;
}

export class Consumer {
  constructor(
    readonly directory: string,
    private readonly node: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** An empty project with the package from the registry, and the programs that use it. */
  async install(...options: string[]): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
    await cp(PROGRAMS, this.directory, { recursive: true });
    await writeFile(path.join(this.directory, 'package.json'), '{ "private": true }');
    const quiet = ['--no-audit', '--no-fund', '--no-package-lock'];
    await this.#npm(['install', 'codex-image', ...quiet, ...options]);
  }

  /** The installed packages, by name. */
  async installed(): Promise<string[]> {
    const names = await readdir(path.join(this.directory, 'node_modules'));
    return names.filter((name) => !name.startsWith('.'));
  }

  /** Reads a file of the project. */
  async read(name: string): Promise<Buffer> {
    return readFile(path.join(this.directory, name));
  }

  /** Returns what a program prints. */
  async runs(program: string, ...args: string[]): Promise<unknown> {
    const file = path.join(this.directory, program);
    const { stdout } = await run(this.node, [file, ...args], { cwd: this.directory });
    return JSON.parse(stdout);
  }

  /** Returns what a command of the package prints. */
  async command(env: NodeJS.ProcessEnv, name: string, ...args: string[]): Promise<string> {
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
    return DemoBackend.start(link, env, this.node);
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
    return npm(args, { cwd: this.directory, node: this.node, env: { ...this.env, ...env } });
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

  /** Returns how many processes and run directories the calls have left. */
  leftovers(): number {
    return this.callEnv.leftovers();
  }

  async close(): Promise<void> {
    await Promise.all([this.callEnv.remove(), this.home.remove()]);
  }
}
