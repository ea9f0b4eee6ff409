// `npm run test:emulated`: the addon and its tests on platforms that this Linux x64 machine is not: cross-built together with
// Rust's own library, and run under emulators by that platform's Node. Names choose (`npm run test:emulated -- arm64 musl`).
// docs/platforms.md says what this shows, and what it cannot.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, copyFileSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { ensureDependencies, main, Refusal, root, run } from './bootstrap.mjs';
import { built, cargoFor } from './emulated/cargo.mjs';
import { CACHE, npmPackage } from './emulated/fetch.mjs';
import { launcher } from './emulated/launcher.mjs';
import { PLATFORMS } from './emulated/platforms.mjs';

/** @import { Codex, Host, Platform } from './emulated/platforms.mjs' */

const TESTS = path.join(root, '__test__', 'emulated');

await main(async () => {
  const chosen = process.argv.slice(2);
  const unknown = chosen.filter((name) => !(name in PLATFORMS));
  if (unknown.length > 0) {
    const known = Object.keys(PLATFORMS).join(', ');
    throw new Refusal(`no platform is named ${unknown.join(', ')}: ${known}`);
  }
  mkdirSync(CACHE, { recursive: true });
  await ensureDependencies();
  for (const [name, platform] of Object.entries(PLATFORMS)) {
    if (chosen.length === 0 || chosen.includes(name)) await testOn(name, platform);
  }
});

/**
 * @param {string} name
 * @param {Platform} platform
 */
async function testOn(name, platform) {
  const host = await platform.prepare();
  // What tells the processes of these tests from all others.
  host.env['RUN_MARKER'] = randomUUID();
  try {
    console.log(`\n── ${name}: the crate's tests`);
    await cargoFor(platform, host, 'test', '--lib', '--tests');

    console.log(`\n── ${name}: the addon, with a stub codex`);
    await cargoFor(platform, host, 'build', '--lib', '--example', 'stub-codex');
    const { library, stub } = built(platform);
    // Node goes by this name, and follows links.
    const addon = path.join(path.dirname(library), 'codex-image.node');
    copyFileSync(library, addon);
    const env = {
      ...host.env,
      NAPI_RS_NATIVE_LIBRARY_PATH: host.pathOf(addon),
      EMULATED_NAME: name,
      EXPECTED_PLATFORM: platform.name,
      NODE_COMMAND: JSON.stringify(host.node),
    };
    await nodeTest(host, 'generation.test.mjs', {
      ...env,
      STUB_PROGRAM: startable(`stub-${platform.triple}`, host, stub),
    });

    for (const codex of platform.codex) {
      console.log(`\n── ${name}: the addon, with Codex ${codex.version}`);
      await withRealCodex(platform, host, codex, env);
    }
    expectNobodyLeft(host.env['RUN_MARKER']);
  } finally {
    await host.close();
  }
}

/**
 * @param {Platform} platform
 * @param {Host} host
 * @param {Codex} codex
 * @param {NodeJS.ProcessEnv} env
 */
async function withRealCodex(platform, host, codex, env) {
  const directory = await npmPackage('@openai/codex', `${codex.version}-${platform.name}`);
  const program = startable(`codex-${platform.triple}`, host, path.join(directory, codex.program));
  const script = path.join(TESTS, 'backend.ts');
  const model = codex.model === undefined ? [] : [codex.model];
  const backend = spawn(process.execPath, ['--import', 'tsx', script, ...model], {
    cwd: root,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(backend, 'exit');
  try {
    const [line] = await Promise.race([
      once(backend.stdout, 'data'),
      ended.then(() => Promise.reject(new Error('the backend has ended'))),
    ]);
    /** @type {{ home: string, env: Record<string, string> }} */
    const place = JSON.parse(String(line));
    const translated = Object.entries(place.env).map(([key, value]) => [
      key,
      value.startsWith('/') ? host.pathOf(value) : value,
    ]);
    await nodeTest(host, 'real.test.mjs', {
      ...env,
      STUB_PROGRAM: program,
      REAL_CODEX_ENV: JSON.stringify(Object.fromEntries(translated)),
      REAL_CODEX_PICTURE: host.pathOf(path.join(place.home, 'expected.png')),
    });
  } finally {
    backend.stdin.end();
    await ended;
  }
}

/**
 * Runs a file of tests under the platform's Node.
 *
 * @param {Host} host
 * @param {string} file
 * @param {NodeJS.ProcessEnv} env
 */
async function nodeTest({ node: [program = '', ...args], pathOf }, file, env) {
  // Under wine Node cannot open a pipe of Linux's.
  const log = path.join(CACHE, 'test.log');
  const output = openSync(log, 'w');
  try {
    const test = pathOf(path.join(TESTS, file));
    await run(program, [...args, '--test-reporter=spec', test], {
      env,
      stdio: ['ignore', output, output],
    });
  } finally {
    closeSync(output);
    process.stdout.write(readFileSync(log));
  }
}

/**
 * Fails if a Codex, or a stub of it, still runs. Those that wine starts have the environment of its Linux side.
 *
 * @param {string} marker
 */
function expectNobodyLeft(marker) {
  const left = readdirSync('/proc').filter((pid) => {
    const of = (/** @type {string} */ file) => readFileSync(`/proc/${pid}/${file}`, 'latin1');
    try {
      return Number(pid) > 0 && of('environ').includes(marker) && of('cmdline').includes('codex');
    } catch {
      // It has ended since, or is nobody's business.
      return false;
    }
  });
  if (left.length > 0) throw new Error(`processes left: ${left.join(', ')}`);
}

/**
 * A file that Node can start, for a program of the platform's.
 *
 * @param {string} name
 * @param {Host} host
 * @param {string} program
 */
function startable(name, { runner, pathOf }, program) {
  // The system's own programs, and what wine's start, need no help.
  if (runner.length === 0 || pathOf(program) !== program) return pathOf(program);
  return launcher(name, [...runner, program]);
}
