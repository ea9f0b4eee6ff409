// An import never loads the addon, and in a browser only data. A daemon without the addon fails the
// calls alone.

import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { build, type BuildOptions } from 'esbuild';
import { describe, expect, onTestFinished, test } from 'vitest';

import * as models from '../../dist/models.mjs';
import * as openDesign from '../../dist/open-design.mjs';
import { platformOf } from '../../loader/platform.js';
import { png } from '../support/image/small-png.js';
import { save, turn } from '../support/stub/steps.js';
import { buildDaemon, compose, discard, readBlocks } from './support/compose.js';
import { test as daemonTest } from './support/daemon.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NAME = 'codex-image';

test('the registry has these entries', () => {
  expect(models.CODEX_CLI_PROVIDER).toEqual({
    id: 'codex-cli',
    label: 'Codex CLI',
    hint: 'Your own Codex CLI and ChatGPT subscription',
    integrated: true,
    credentialsRequired: false,
    settingsVisible: false,
  });
  expect(models.CODEX_IMAGE_GEN_MODEL).toEqual({
    id: 'codex-image-gen',
    label: 'codex-image-gen',
    hint: 'Codex CLI · image_gen on your ChatGPT subscription',
    provider: 'codex-cli',
    caps: ['t2i', 'i2i'],
  });
  expect(openDesign).toMatchObject({ ...models });
});

describe('an import', () => {
  /** Runs the steps in a Node process, and returns after which of them the addon is loaded. */
  async function loadedAfter(type: 'module' | 'commonjs', ...steps: string[]): Promise<boolean[]> {
    const program = `(async () => {
      const loaded = () => process.report.getReport().sharedObjects.some((file) => file.endsWith('.node'));
      const seen = [];
      ${steps.map((step) => `${step}; seen.push(loaded());`).join('\n')}
      console.log(JSON.stringify(seen));
    })();`;
    const args = [`--input-type=${type}`, '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
    return JSON.parse(stdout) as boolean[];
  }

  const call =
    "await openDesign.renderCodexCliImage({ surface: 'image', prompt: '' }).catch(() => {})";

  test('of ESM does not load the addon, and a call does', async () => {
    const steps = [
      `await import('${NAME}/open-design/models')`,
      `const openDesign = await import('${NAME}/open-design')`,
      call,
    ];
    expect(await loadedAfter('module', ...steps)).toEqual([false, false, true]);
  });

  test('of CommonJS does not load the addon, and a call does', async () => {
    const steps = [
      `require('${NAME}/open-design/models')`,
      `const openDesign = require('${NAME}/open-design')`,
      call,
    ];
    expect(await loadedAfter('commonjs', ...steps)).toEqual([false, false, true]);
  });

  // As jest does, and other programs that run modules themselves. They have no `import()`.
  test('of CommonJS by a script of `vm` does not load the addon, and a call does', async () => {
    const steps = [
      `const { compileFunction } = require('node:vm');
       const file = require.resolve('${NAME}/open-design');
       const code = require('node:fs').readFileSync(file, 'utf8');
       const openDesign = {};
       const inDist = require('node:module').createRequire(file);
       compileFunction(code, ['exports', 'require'])(openDesign, inDist)`,
      call,
    ];
    expect(await loadedAfter('commonjs', ...steps)).toEqual([false, true]);
  });
});

describe('a bundle of esbuild', () => {
  const bundle = (options: BuildOptions) =>
    build({ ...options, bundle: true, format: 'esm', metafile: true, write: false });

  test('has only data for a browser', async () => {
    const contents = `export * from '${NAME}/open-design/models'`;
    const { metafile, outputFiles } = await bundle({
      stdin: { contents, resolveDir: root },
      platform: 'browser',
    });
    expect(Object.keys(metafile.inputs)).toEqual(['dist/models.mjs', '<stdin>']);
    expect(Object.values(metafile.outputs).flatMap(({ imports }) => imports)).toEqual([]);
    const text = outputFiles[0]?.text ?? '';
    expect(text).not.toMatch(/\b(require|process|Buffer)\b/);
    const loaded: object = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    expect({ ...loaded }).toEqual({ ...models });
  });

  test('lets the daemon import the addon at the call', async () => {
    const { metafile } = await bundle({
      entryPoints: [path.join(root, 'dist/open-design.mjs')],
      platform: 'node',
      external: [NAME],
    });
    const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
    expect(imports).toEqual([{ path: NAME, kind: 'dynamic-import', external: true }]);
  });
});

/** The directory for temporary files, before the daemon gets one of its own. */
const TEMPORARY = tmpdir();

/** Installs the package without its native parts, which `add` adds. */
async function installWith(add: (directory: string) => Promise<void>): Promise<string> {
  const directory = await mkdtemp(path.join(TEMPORARY, 'codex-image-package-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  for (const name of ['package.json', 'dist']) {
    await cp(path.join(root, name), path.join(directory, name), { recursive: true });
  }
  await add(directory);
  return directory;
}

/** Builds a daemon that has this package, or none. */
async function daemonWith(codexImage: string | null): Promise<string> {
  const built = await compose(await readBlocks(), { codexImage });
  onTestFinished(() => discard(built));
  await buildDaemon(built);
  return built;
}

// The addon cannot be made to fail this way from outside, so another one replaces it.
daemonTest('a defect of the addon is reported with its own message', async ({ daemon }) => {
  const told = { code: 'INTERNAL', status: 500, retryable: false };
  const message = 'codex-image failed internally';
  const members = JSON.stringify({ name: 'CodexImageError', ...told });
  const addon = `exports.generateCodexImageDetailed = async () => {
    throw Object.assign(new Error('${message}'), ${members});
  };`;
  const installed = await installWith((directory) =>
    writeFile(path.join(directory, 'index.js'), addon),
  );
  await daemon.restart(await daemonWith(installed));
  expect(await daemon.client.draw()).toMatchObject({
    status: 'failed',
    error: { ...told, message },
  });
  expect(await daemon.files()).toEqual([]);
});

describe('a call without the addon', () => {
  const addLoader = async (directory: string) => {
    for (const name of ['index.js', 'loader'])
      await cp(path.join(root, name), path.join(directory, name), { recursive: true });
  };

  interface MissingPart {
    /** Adds what the package has of it. Undefined if the package itself is missing. */
    add?: (directory: string) => Promise<void>;
    problem: string;
  }

  const MISSING: Record<string, MissingPart> = {
    'the package': { problem: 'The Codex image addon is not installed.' },
    'its loader': { add: async () => {}, problem: 'The Codex image addon is not installed.' },
    'a binary for this system': {
      add: addLoader,
      problem: `The package ${NAME}-${platformOf(process)}, which ${NAME} needs here, is not installed:`,
    },
    'a binary that can be loaded': {
      async add(directory) {
        await addLoader(directory);
        const file = `${NAME}.${platformOf(process)}.node`;
        await writeFile(path.join(directory, file), 'for another system');
      },
      problem: `The addon ${NAME}.${platformOf(process)}.node cannot be loaded:`,
    },
  };

  daemonTest.for(Object.entries(MISSING))(
    'fails without %s, and succeeds in a complete daemon',
    async ([, { add, problem }], { codex, daemonBuild, daemon }) => {
      const installed = add === undefined ? null : await installWith(add);
      await codex.play(turn(save('store', png())));
      await daemon.restart(await daemonWith(installed));
      const task = await daemon.client.draw();
      expect(task).toMatchObject({ status: 'failed', error: UNAVAILABLE });
      expect(task.error?.message).toContain(problem);
      expect(task.error?.message).not.toMatch(/node_modules|[/\\]/);
      expect(await daemon.files()).toEqual([]);
      expect(await codex.recordings()).toEqual([]);
      // The picker shows the problem with its fix.
      const { status, body } = await daemon.client.readiness();
      expect(status).toBe(200);
      expect(body).toMatchObject({
        ready: false,
        problems: [
          {
            code: UNAVAILABLE.code,
            message: expect.stringContaining(problem),
            fix: expect.stringMatching(/^Reinstall /),
          },
        ],
      });

      await daemon.restart(daemonBuild);
      expect(await daemon.client.draw()).toMatchObject({ status: 'done' });
    },
  );

  test.for(Object.values(MISSING).flatMap(({ add }) => add ?? []))(
    "fails with an error like the addon's, in both formats",
    async (add) => {
      const dist = path.join(await installWith(add), 'dist');
      const copies: (typeof openDesign)[] = [
        await import(pathToFileURL(path.join(dist, 'open-design.mjs')).href),
        createRequire(import.meta.url)(path.join(dist, 'open-design.js')),
      ];
      for (const { renderCodexCliImage } of copies) {
        const context = { surface: 'image', prompt: 'a red fox' };
        const error: unknown = await renderCodexCliImage(context).catch(
          (reason: unknown) => reason,
        );
        // The cause stays for the logs.
        const cause: unknown = expect.any(Error);
        expect(error).toMatchObject({ name: 'CodexImageError', cause, ...UNAVAILABLE });
      }
    },
  );

  const UNAVAILABLE = {
    code: 'CODEX_IMAGE_ADDON_UNAVAILABLE',
    status: 424,
    retryable: false,
    message: expect.stringMatching(/Reinstall OpenDesign, or choose another image model\.$/),
  };
});
