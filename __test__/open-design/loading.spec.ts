// What an import brings along: never the addon, and in a browser nothing but data. A daemon without the addon loses one call.

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect, promisify } from 'node:util';

import { build, type BuildOptions } from 'esbuild';
import { describe, expect, onTestFinished, test } from 'vitest';

import * as models from '../../dist/models.mjs';
import * as openDesign from '../../dist/open-design.mjs';
import { png } from '../support/png.js';
import { save, turn } from '../support/stub.js';
import { test as studioTest } from './support/studio.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NAME = '@open-design/codex-image';

test('the registry’s entries are these', () => {
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

test('the documented edits have them word for word', async () => {
  const edits = await readFile(path.join(root, 'docs/open-design.md'), 'utf8');
  for (const entry of Object.values(models)) {
    // In one line, as there, and without blanks in brackets.
    const written = inspect(entry, { breakLength: Infinity, compact: true });
    expect(edits).toContain(`+  ${written.replaceAll(/(?<=\[) | (?=\])/g, '')},`);
  }
});

describe('the addon is loaded by a call, not by an import', () => {
  /** Runs the steps in a Node of its own, and says after which of them the addon is there. */
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

  test('ESM', async () => {
    const steps = [
      `await import('${NAME}/open-design/models')`,
      `const openDesign = await import('${NAME}/open-design')`,
      call,
    ];
    expect(await loadedAfter('module', ...steps)).toEqual([false, false, true]);
  });

  test('CommonJS', async () => {
    const steps = [
      `require('${NAME}/open-design/models')`,
      `const openDesign = require('${NAME}/open-design')`,
      call,
    ];
    expect(await loadedAfter('commonjs', ...steps)).toEqual([false, false, true]);
  });
});

describe('bundled by esbuild', () => {
  const bundle = (options: BuildOptions) =>
    build({ ...options, bundle: true, format: 'esm', metafile: true, write: false });

  test('for a browser, the entries are data and import nothing', async () => {
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

  test('for the daemon, the addon stays an import of its own that only the call makes', async () => {
    const { metafile } = await bundle({
      entryPoints: [path.join(root, 'dist/open-design.mjs')],
      platform: 'node',
      external: [NAME],
    });
    const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
    expect(imports).toEqual([{ path: NAME, kind: 'dynamic-import', external: true }]);
  });
});

/** The package as it was installed, but for what makes it native, which is added by `add`. Resolves with its `dist`. */
async function installWith(add: (directory: string) => Promise<void>): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'codex-image-package-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const name of ['package.json', 'dist']) {
    await cp(path.join(root, name), path.join(directory, name), { recursive: true });
  }
  await add(directory);
  return path.join(directory, 'dist');
}

// Nothing that can be done to the addon from outside makes it fail this way, so another one stands in.
studioTest('a defect of the addon is told in its own words', async ({ studio }) => {
  const told = { code: 'INTERNAL', status: 500, retryable: false };
  const message = 'codex-image failed internally';
  const members = JSON.stringify({ name: 'CodexImageError', ...told });
  const addon = `exports.generateCodexImage = async () => {
    throw Object.assign(new Error('${message}'), ${members});
  };`;
  const dist = await installWith((directory) => writeFile(path.join(directory, 'index.js'), addon));
  const { renderCodexCliImage: render }: typeof openDesign = await import(
    pathToFileURL(path.join(dist, 'open-design.mjs')).href
  );
  studio.daemon.configure({ render });
  expect(await studio.client.draw()).toMatchObject({
    status: 'failed',
    error: { ...told, message },
  });
  expect(await studio.files()).toEqual([]);
});

describe('without the addon', () => {
  const addLoader = (directory: string) =>
    cp(path.join(root, 'index.js'), path.join(directory, 'index.js'));

  const WAYS = {
    'its loader': async () => {},
    'a binary for this system': addLoader,
    'a binary that can be loaded': async (directory: string) => {
      await addLoader(directory);
      const binaries = (await readdir(root)).filter((name) => name.endsWith('.node'));
      expect(binaries).not.toEqual([]);
      for (const name of binaries)
        await writeFile(path.join(directory, name), 'for another system');
    },
  };

  studioTest.for(Object.keys(WAYS) as (keyof typeof WAYS)[])(
    '%s: one call is lost',
    async (what, { codex, studio }) => {
      const dist = await installWith(WAYS[what]);
      const copies: (typeof openDesign)[] = [
        await import(pathToFileURL(path.join(dist, 'open-design.mjs')).href),
        createRequire(import.meta.url)(path.join(dist, 'open-design.js')),
      ];
      const picture = png();
      await codex.order(turn(save('store', picture)));
      for (const { renderCodexCliImage: render } of copies) {
        const context = { surface: 'image', prompt: 'a red fox' };
        const error: unknown = await render(context).catch((reason: unknown) => reason);
        // What was wrong stays for the logs.
        expect(error).toMatchObject({ name: 'CodexImageError', cause: expect.any(Error) });

        studio.daemon.configure({ render });
        const task = await studio.client.draw();
        expect(task).toMatchObject({ status: 'failed', error: UNAVAILABLE });
        expect(task.error?.message).not.toContain(path.dirname(dist));
        expect(await studio.files()).toEqual([]);
      }
      expect(await codex.recordings()).toEqual([]);

      // The daemon is as well as before.
      studio.daemon.configure({ render: openDesign.renderCodexCliImage });
      expect(await studio.client.draw()).toMatchObject({ status: 'done' });
    },
  );

  const UNAVAILABLE = {
    code: 'CODEX_IMAGE_ADDON_UNAVAILABLE',
    status: 424,
    retryable: false,
    message: expect.stringMatching(/Reinstall Open Design, or choose another image model\.$/),
  };
});
