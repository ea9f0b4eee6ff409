// Projects of other package managers, of Deno and of jest. Where the addon is missing, the command
// that the error advises is run, and has to install it.

import { deepEqual, equal, match, notEqual } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { npm } from '../support/npm/npm.js';
import type { DrawingStub } from './consumers.js';
import { host } from './release.js';
import { fetchNode, fetchTool, makeProject, type Tool } from './tools.js';

const run = promisify(execFile);
const PROGRAMS = fileURLToPath(new URL('consumers/', import.meta.url));
const NEEDED = `codex-image-${host}`;
const FOREIGN = 'codex-image-win32-x64-msvc';

/** What `consumers/loading/main.cjs` prints. */
interface Loading {
  loaded?: string[];
  code?: string;
  problem?: string;
  fix?: string;
}

/** An empty project, whose registry is the one with the release. */
class Project {
  private constructor(
    readonly directory: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  static async create(directory: string, origin: string, npmEnv: NodeJS.ProcessEnv) {
    const caches = await makeProject(directory, origin);
    await cp(path.join(PROGRAMS, 'loading'), directory, { recursive: true });
    return new Project(directory, { ...npmEnv, ...caches });
  }

  /** Runs a tool, and returns what it prints. */
  async run(tool: Tool, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const program = await fetchTool(tool);
    const [file, ...rest] = program.endsWith('js') ? [process.execPath, program] : [program];
    const options = { cwd: this.directory, env: { ...this.env, ...env } };
    try {
      return (await run(file, [...rest, ...args], options)).stdout;
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`${tool} ${args.join(' ')} failed\n${stdout}${stderr}`, { cause: error });
    }
  }

  async npm(...args: string[]): Promise<string> {
    return npm(args, { cwd: this.directory, env: this.env });
  }

  /** Loads the package with Node. */
  async load(node = process.execPath): Promise<Loading> {
    const { stdout } = await run(node, ['main.cjs'], { cwd: this.directory });
    return JSON.parse(stdout);
  }

  async read(name: string): Promise<Buffer> {
    return readFile(path.join(this.directory, name));
  }
}

/** The command in the advice of an error, as arguments of the tool that it names. */
function advised({ fix }: Loading, tool: string): string[] {
  const [, command = ''] = /`(.*)`/.exec(fix ?? '') ?? [];
  const [name, ...args] = command.split(' ');
  equal(name, tool);
  return args;
}

/** Each check by its name. */
export function installers(
  directory: string,
  origin: string,
  npmEnv: NodeJS.ProcessEnv,
  stub: DrawingStub,
): Record<string, () => Promise<void>> {
  const project = (name: string) =>
    Project.create(path.join(directory, `installer-${name}`), origin, npmEnv);

  /** Installs without the addon, then with what the error advises. */
  const repairs =
    (tool: 'pnpm' | 'yarn1' | 'bun', ...omitting: string[]) =>
    async () => {
      const its = await project(tool);
      await its.run(tool, omitting);
      const failure = await its.load();
      match(failure.problem ?? '', new RegExp(`^The package ${NEEDED}, .* is not installed`));
      await its.run(tool, advised(failure, tool.replace(/\d$/, '')));
      await assertLoads(its);
    };

  const assertLoads = async (its: Project, node?: string) => {
    const { loaded, problem } = await its.load(node);
    equal(problem, undefined);
    equal(loaded?.includes('generateCodexImage'), true);
  };

  return {
    'npm, --omit=optional': async () => {
      const its = await project('npm');
      await its.npm('install', 'codex-image', '--omit=optional');
      const failure = await its.load();
      match(failure.problem ?? '', new RegExp(`^The package ${NEEDED}, .* it was left out\\.$`));
      // Package managers leave it out for an old Node as well.
      const { problem } = await its.load(await fetchNode('18.20.8'));
      match(problem ?? '', /: it needs Node 20 or newer, and this is Node 18\.20\.8\.$/);
      await its.npm(...advised(failure, 'npm'));
      await assertLoads(its);
    },
    'npm, node_modules of another system': async () => {
      const its = await project('npm-foreign');
      await its.npm('install', 'codex-image', '--os=win32', '--cpu=x64');
      const failure = await its.load();
      match(failure.problem ?? '', new RegExp(`comes from another system, with ${FOREIGN}\\.$`));
      await its.npm(...advised(failure, 'npm'));
      await assertLoads(its);
    },
    'npm, an addon of another version': async () => {
      const its = await project('npm-version');
      await its.npm('install', 'codex-image');
      const manifest = path.join(its.directory, 'node_modules', NEEDED, 'package.json');
      const { version, ...rest } = JSON.parse(await readFile(manifest, 'utf8'));
      await writeFile(manifest, JSON.stringify({ ...rest, version: '0.0.9' }));
      const { problem, code } = await its.load();
      equal(
        problem,
        `The package ${NEEDED} has version 0.0.9, but codex-image has version ${version}.`,
      );
      equal(code, 'CODEX_IMAGE_ADDON_UNAVAILABLE');
    },
    'pnpm, --no-optional': repairs('pnpm', 'add', '--no-optional', 'codex-image'),
    'Yarn 1, --ignore-optional': repairs('yarn1', 'add', '--ignore-optional', 'codex-image'),
    'Bun, --omit optional': repairs('bun', 'add', '--omit', 'optional', 'codex-image'),
    "Yarn, Plug'n'Play": async () => {
      const its = await project('yarn4');
      await its.run('yarn4', ['add', 'codex-image']);
      for (const command of [['codex-image'], ['dlx', 'codex-image']]) {
        const file = `${command[0]}.png`;
        await its.run('yarn4', [...command, 'a red fox', '--output', file], stub.env);
        deepEqual(await its.read(file), stub.picture);
      }
      equal(stub.leftovers(), 0);
    },
    Deno: async () => {
      const its = await project('deno');
      await its.run('deno', ['install', 'npm:codex-image']);
      const load = async (...flags: string[]): Promise<Loading> =>
        JSON.parse(await its.run('deno', ['run', '--no-prompt', ...flags, 'main.cjs']));
      const flags = ['--allow-ffi', '--allow-env', '--allow-read'];
      for (const missing of flags) {
        const { code, fix } = await load(...flags.filter((flag) => flag !== missing));
        equal(code, 'CODEX_IMAGE_ADDON_UNAVAILABLE', missing);
        equal(fix, 'Run Deno with --allow-ffi, --allow-env and --allow-read.');
      }
      notEqual((await load(...flags)).loaded, undefined);
    },
    'jest, CommonJS': async () => {
      const its = await project('jest');
      await cp(path.join(PROGRAMS, 'jest'), its.directory, { recursive: true });
      await its.npm('install', 'codex-image');
      const png = stub.picture.toString('base64');
      const CALL = JSON.stringify({ ...JSON.parse(stub.options), png });
      const config = JSON.stringify({ testMatch: ['**/*.test.cjs'], cacheDirectory: '.caches' });
      await its.run('jest', ['--config', config], { CALL });
      equal(stub.leftovers(), 0);
    },
  };
}
