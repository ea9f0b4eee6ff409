// Runs the recipes of docs/using-it-with.md in a project with the versions that the page names and
// the published package.

import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { type ChildProcess, execFile, type ExecFileException, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { npm } from '../support/npm/npm.js';
import { TEMPORARY } from '../support/platform.js';
import type { DrawingStub } from './consumers.js';
import { type Page, PAGE, readPage } from './page.js';
import { host } from './release.js';
import { DENO_VERSION } from './tools.js';
import { LIMIT_MS, until } from './until.js';

const PROGRAMS = fileURLToPath(new URL('consumers/recipes/', import.meta.url));
const QUIET = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts'];
/** Steps of the stub that draw until the call is aborted. */
const ENDLESS = { STUB_STEPS: 'thread message tool hang' };

/** What {@link recipes} runs, by the page's headings. */
export type Recipes = Record<string, () => Promise<void>>;

interface Run {
  stdout: Buffer;
  stderr: string;
}

/** The project that all recipes share, as the page's reader would have it. */
class Project {
  /** The page's files that were run. */
  readonly used = new Set<string>();
  readonly #started: Started[] = [];

  constructor(
    readonly directory: string,
    private readonly node: string,
    readonly page: Page,
    readonly stub: DrawingStub,
  ) {}

  /** Installs the tools from npm's registry, then the package from that of `env`. */
  async install(env: NodeJS.ProcessEnv): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
    await cp(PROGRAMS, this.directory, { recursive: true });
    await writeFile(path.join(this.directory, 'package.json'), '{ "private": true }');
    const prefix = ['--prefix', this.directory];
    const options = { cwd: this.directory, node: this.node };
    await npm(['install', ...QUIET, ...prefix, ...this.page.packages], options);
    await npm(['install', ...QUIET, ...prefix, 'codex-image'], { ...options, env });
  }

  /** Writes these files as the page shows them, for this machine's platform. */
  async write(...names: string[]): Promise<void> {
    for (const name of names) {
      const text = this.page.files.get(name);
      if (text === undefined) throw new Error(`${PAGE} does not show ${name}.`);
      this.used.add(name);
      const file = path.join(this.directory, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text.replaceAll('linux-x64-gnu', host));
    }
  }

  /** Reads a file of the project. */
  async read(name: string): Promise<Buffer> {
    return readFile(path.join(this.directory, name));
  }

  /** Returns the shell commands that the page shows below this heading. */
  commands(heading: string): string {
    const text = this.page.commands.get(heading);
    if (text === undefined) throw new Error(`${PAGE} shows no commands below “${heading}”.`);
    return text.replaceAll('linux-x64-gnu', host);
  }

  /** Runs shell commands to their end. */
  async run(commands: string, env: Record<string, string> = {}): Promise<Run> {
    const options = { cwd: this.directory, env: this.#env(env), timeout: LIMIT_MS };
    const settings = { ...options, encoding: 'buffer', maxBuffer: 1 << 26 } as const;
    const run = promisify(execFile)('sh', ['-ec', commands], settings);
    const { stdout, stderr } = await run.catch((error: ExecFileException & Run) => {
      throw new Error(`${commands} failed\n${error.stdout}${error.stderr}`, { cause: error });
    });
    return { stdout, stderr: stderr.toString() };
  }

  /** Starts a program, which {@link Started.stop} ends. */
  start(command: string, env: Record<string, string> = {}): Started {
    const [file = '', ...args] = command.split(' ');
    const options = { cwd: this.directory, env: this.#env(env) };
    const started = new Started(spawn(file, args, options));
    this.#started.push(started);
    return started;
  }

  /** Stops what a recipe that failed has left running. */
  async stop(): Promise<void> {
    await Promise.all(this.#started.splice(0).map((started) => started.stop()));
  }

  /** Starts a server at a free port, and waits until it answers. */
  async serve(command: string, env: Record<string, string> = {}): Promise<Server> {
    const port = await freePort();
    const started = this.start(command, { ...env, PORT: String(port) });
    const url = `http://localhost:${port}`;
    await started.until(() => fetch(url).then(Boolean, () => false), `${command} answers`);
    return { url, started };
  }

  #env(env: Record<string, string>): NodeJS.ProcessEnv {
    // Each call has a thread of its own.
    const { STUB_THREAD: _, ...calls } = this.stub.env;
    const bins = [path.join(this.directory, 'node_modules', '.bin'), path.dirname(this.node)];
    const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
    return {
      ...Object.fromEntries(own),
      ...calls,
      NEXT_TELEMETRY_DISABLED: '1',
      PATH: [...bins, calls['PATH']].join(path.delimiter),
      ...env,
    };
  }

  /** Waits until there are no more processes and files than `before`. */
  async leavesNothing(before: number): Promise<void> {
    const temporary = this.stub.env[TEMPORARY] ?? '';
    await until(async () => {
      // tsx never removes the directory of its pipes.
      for (const name of await readdir(temporary)) {
        if (name.startsWith('tsx-')) await rm(path.join(temporary, name), { recursive: true });
      }
      return this.stub.leftovers() <= before;
    }, 'nothing is left');
  }
}

interface Server {
  url: string;
  started: Started;
}

/** A program that runs until it is stopped. */
class Started {
  #output = '';
  readonly #exit: Promise<unknown>;

  constructor(readonly child: ChildProcess) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    }
    this.#exit = once(child, 'exit');
  }

  async until(holds: () => Promise<boolean>, what: string): Promise<void> {
    const died = () => this.child.exitCode !== null || this.child.signalCode !== null;
    await until(
      async () => (await holds()) || died(),
      what,
      () => this.#output,
    );
    if (died()) throw new Error(`It ended before ${what}.\n${this.#output}`);
  }

  /** Waits until it has printed `text` this many times. */
  async prints(text: string, times = 1): Promise<void> {
    const printed = async () => this.#output.split(text).length > times;
    await this.until(printed, `it prints “${text}”`);
  }

  /** Does nothing if it has ended. */
  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    await this.#exit;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Returns the recipes, in the order in which they can run. The first one prepares the others. */
export async function recipes(
  { directory, node, version }: { directory: string; node: string; version: string },
  env: NodeJS.ProcessEnv,
  stub: DrawingStub,
): Promise<Recipes> {
  const page = await readPage();
  const project = new Project(directory, node, page, stub);
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  const isPicture = (bytes: Uint8Array) => equal(base64(bytes), base64(stub.picture));

  /** Runs commands that draw to stdout. */
  const draws = async (commands: string): Promise<void> => {
    const before = stub.leftovers();
    isPicture((await project.run(commands)).stdout);
    await project.leavesNothing(before);
  };

  /** Draws, then leaves while the server is drawing. `body` reads the image of a response. */
  const serves = async (
    command: string,
    route: string,
    body: (response: Response) => Promise<Uint8Array>,
  ): Promise<void> => {
    const post = (url: string, signal: AbortSignal | null = null) => {
      const headers = { 'content-type': 'application/json' };
      const request = { method: 'POST', headers, body: '{ "prompt": "a red fox" }', signal };
      return fetch(url + route, request);
    };
    const before = stub.leftovers();
    const drawing = await project.serve(command);
    isPicture(await body(await post(drawing.url)));
    await drawing.started.stop();

    const hanging = await project.serve(command, ENDLESS);
    const idle = stub.leftovers();
    const client = new AbortController();
    const response = post(hanging.url, client.signal).then((whole) => whole.text());
    await until(async () => stub.leftovers() >= idle + 3, 'Codex and its tool run');
    client.abort();
    await rejects(response, { name: 'AbortError' });
    await project.leavesNothing(idle);
    await hanging.started.stop();
    await project.leavesNothing(before);
  };

  const events = async (response: Response): Promise<Uint8Array> => {
    match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
    const text = await response.text();
    match(text, /^event: progress\ndata: "Looking for Codex and its login"\n\n/);
    const [, image = ''] = /\n\nevent: image\ndata: "(.*)"\n\n$/.exec(text) ?? [];
    return Buffer.from(image, 'base64');
  };

  const all: Recipes = {
    'installs every tool': async () => {
      ok(page.text.includes(`on Linux with Node ${version} `), 'the page names this Node');
      ok(page.packages.includes(`deno@${DENO_VERSION}`), 'the page names this Deno');
      await project.install(env);
      await project.write('main.mjs');
    },
    'Next.js': async () => {
      await project.write('app/image/route.js');
      await rejects(project.run('next build'), /non-ecmascript placeable asset/);
      await project.write('next.config.mjs');
      await project.run('next build');
      await serves('next start', '/image', async (response) => {
        equal(response.headers.get('content-type'), 'image/png');
        return new Uint8Array(await response.arrayBuffer());
      });
    },
    ...Object.fromEntries(
      [...page.options].map(([bundler, option]) => [
        bundler,
        async () => {
          const without = bundler === 'vite' ? 'ssr: { noExternal: true }' : '';
          await rejects(project.run(`node bundle.mjs ${bundler} '${without}'`));
          await project.run(`node bundle.mjs ${bundler} "${option}"`);
          await draws(`node out/${bundler}.?js`);
        },
      ]),
    ),
    'Single executables': async () => {
      await project.write('fox.cjs', 'sea-config.json');
      // macOS has another format of executables, and runs none without a signature.
      if (process.platform === 'darwin') return;
      const before = stub.leftovers();
      await project.run(project.commands('Single executables'));
      isPicture(await project.read('fox.png'));
      await project.leavesNothing(before);
    },
    'Jest and vm contexts': async () => {
      await project.write('image.test.js');
      match((await project.run('jest')).stderr, /^Tests: +1 passed, 1 total$/m);
    },
    'Worker threads': async () => {
      await project.write('worker.mjs', 'with-worker.mjs');
      await draws('node with-worker.mjs');
      const { stderr } = await project.run('node with-worker.mjs', { CODEX_BIN: directory });
      equal(stderr, 'CODEX_NOT_FOUND\n');
    },
    ...Object.fromEntries(
      ['express', 'fastify', 'hono'].map((framework) => [
        framework,
        async () => {
          await project.write('draw.mjs', `${framework}.mjs`);
          await serves(`node ${framework}.mjs`, '/draw', events);
        },
      ]),
    ),
    Deno: async () => {
      const command = project.commands('Deno');
      await draws(`${command.trim()}; cat fox.png`);
      const forbidden = command.replace(/--allow-ffi\S*/, '--no-prompt');
      await rejects(project.run(forbidden), /--allow-ffi/);
    },
    'Cluster and watchers': async () => {
      const before = stub.leftovers();
      await project.write('cluster.mjs');
      const cluster = project.start('node cluster.mjs', ENDLESS);
      await cluster.prints('I am thinking.', 2);
      await cluster.prints('number 1 in the queue', 2);
      await cluster.stop();
      await project.leavesNothing(before);
      for (const command of project.commands('Cluster and watchers').trim().split('\n')) {
        await rm(path.join(directory, 'started'), { force: true });
        const watcher = project.start(command);
        await watcher.prints('I am thinking.');
        const now = new Date();
        await utimes(path.join(directory, 'server.mjs'), now, now);
        await watcher.prints('drawn');
        await watcher.stop();
        await project.leavesNothing(before);
      }
    },
    'Spawning the command line': async () => {
      const before = stub.leftovers();
      await project.write('spawn.mjs');
      await rm(path.join(directory, 'fox.png'), { force: true });
      const spawned = project.start('node spawn.mjs', ENDLESS);
      await spawned.prints('I am thinking.');
      await spawned.stop();
      await project.leavesNothing(before);
    },
    'everything on the page was run': async () => {
      deepEqual([...project.used].toSorted(), [...page.files.keys()].toSorted());
      const headings = ['Single executables', 'Deno', 'Cluster and watchers'];
      deepEqual([...page.commands.keys()], headings);
      const bundlers = ['esbuild', 'rollup', 'webpack', '@rspack/core', 'vite'];
      deepEqual([...page.options.keys()], bundlers);
    },
  };
  const stopping = (body: () => Promise<void>) => () => body().finally(() => project.stop());
  return Object.fromEntries(Object.entries(all).map(([what, body]) => [what, stopping(body)]));
}
