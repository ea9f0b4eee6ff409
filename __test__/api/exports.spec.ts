// The package as installed: imported by its name, from ESM and CommonJS, in workers, without side
// effects.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, test } from 'vitest';

import { NOWHERE } from '../support/platform.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NAMES = [
  'checkCodex',
  'codexNeedsDangerFullAccessSandbox',
  'generateCodexImage',
  'generateCodexImageDetailed',
  'isCodexImageError',
  'readContentCredentials',
  'recoverCodexImage',
  'setMaxConcurrentRuns',
];

/** Runs a program in a Node process in which the package's name leads to this checkout. */
async function node(type: 'module' | 'commonjs', program: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [`--input-type=${type}`, '--eval', program],
    { cwd: root },
  );
  return JSON.parse(stdout);
}

describe('every name', () => {
  const types = `console.log(JSON.stringify([${NAMES.map((name) => `typeof ${name}`).join()}]));`;
  const functions = NAMES.map(() => 'function');

  test('can be imported', async () => {
    const program = `import { ${NAMES.join()} } from 'codex-image'; ${types}`;
    expect(await node('module', program)).toEqual(functions);
  });

  test('is a member of the default import', async () => {
    const program = `import codexImage from 'codex-image'; const { ${NAMES.join()} } = codexImage; ${types}`;
    expect(await node('module', program)).toEqual(functions);
  });

  test('is a member of a dynamic import', async () => {
    const program = `const { ${NAMES.join()} } = await import('codex-image'); ${types}`;
    expect(await node('module', program)).toEqual(functions);
  });

  test('is a member of what `require` returns', async () => {
    const program = `const { ${NAMES.join()} } = require('codex-image'); ${types}`;
    expect(await node('commonjs', program)).toEqual(functions);
  });
});

test('no other name is exported, and each is declared', async () => {
  const program = "console.log(JSON.stringify(Object.keys(require('codex-image')).sort()))";
  expect(await node('commonjs', program)).toEqual(NAMES);
  const declared = readFileSync(path.join(root, 'index.d.ts'), 'utf8');
  const names = [...declared.matchAll(/^export declare \w+ (\w+)/gm)].map(([, name]) => name);
  expect(names).toEqual(NAMES);
});

test('ESM and CommonJS get the same functions', async () => {
  const program = `
    import { createRequire } from 'node:module';
    import { generateCodexImage } from 'codex-image';
    const required = createRequire(process.cwd() + '/')('codex-image');
    console.log(JSON.stringify(required.generateCodexImage === generateCodexImage));`;
  expect(await node('module', program)).toBe(true);
});

test('nothing else of the package but its manifest can be imported', async () => {
  const program = `
    const reach = (path) => {
      try { return Boolean(require('codex-image/' + path)); } catch (error) { return error.code; }
    };
    console.log(JSON.stringify([reach('package.json'), reach('index.js'), reach('loader/addon.js')]));`;
  const closed = 'ERR_PACKAGE_PATH_NOT_EXPORTED';
  expect(await node('commonjs', program)).toEqual([true, closed, closed]);
});

test('loading the addon changes no globals', async () => {
  const program = `
    const look = () => JSON.stringify([Object.keys(globalThis), process.env, ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGCHLD',
      'uncaughtException', 'unhandledRejection'].map((event) => process.listenerCount(event))]);
    const before = look();
    require('codex-image');
    console.log(JSON.stringify(look() === before));`;
  expect(await node('commonjs', program)).toBe(true);
});

test('the addon works in a worker, several times over', async () => {
  const program = `
    const { Worker } = require('node:worker_threads');
    const options = { threadId: '0199d2c4-aaaa-7000-8000-0123456789ab', codexHome: ${JSON.stringify(NOWHERE)} };
    const program = "const { parentPort, workerData } = require('node:worker_threads');" +
      "require('codex-image').recoverCodexImage(workerData).catch((error) => parentPort.postMessage(error.code))";
    const work = () => new Promise((resolve, reject) => {
      const worker = new Worker(program, { eval: true, workerData: options });
      let code;
      worker.on('message', (message) => (code = message));
      worker.on('error', reject);
      worker.on('exit', () => resolve(code));
    });
    (async () => {
      const codes = await Promise.all([work(), work()]);
      console.log(JSON.stringify([...codes, await work()]));
    })();`;
  const code = 'NO_IMAGE';
  expect(await node('commonjs', program)).toEqual([code, code, code]);
});
