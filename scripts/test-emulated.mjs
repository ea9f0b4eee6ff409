// `npm run test:emulated`: builds the addon and its tests for other platforms, and runs them in
// emulators on Linux x64, with each platform's Node. There is none for macOS, whose addon is only
// linked. `npm run test:emulated -- arm64 musl` names platforms. docs/platforms.md says what this
// shows, and what it cannot.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, copyFileSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { assertLoadable } from './binaries.mjs';
import { ensureDependencies, main, root, run, UserError } from './bootstrap.mjs';
import { built, cargoFor, RUST } from './emulated/cargo.mjs';
import { CACHE, npmPackage, requireDebian } from './emulated/fetch.mjs';
import { launcher } from './emulated/launcher.mjs';
import { PLATFORMS } from './emulated/platforms.mjs';

/** @import { Codex, Host, Platform } from './emulated/platforms.mjs' */

const TESTS = path.join(root, '__test__', 'emulated');

await main(async () => {
  const chosen = process.argv.slice(2);
  const unknown = chosen.filter((name) => !(name in PLATFORMS));
  if (unknown.length > 0) {
    const known = Object.keys(PLATFORMS).join(', ');
    throw new UserError(`no platform is named ${unknown.join(', ')}: ${known}`);
  }
  const platforms = Object.entries(PLATFORMS).filter(
    ([name]) => chosen.length === 0 || chosen.includes(name),
  );
  requireDebian(...RUST, ...platforms.flatMap(([, { debian }]) => debian));
  mkdirSync(CACHE, { recursive: true });
  await ensureDependencies();
  for (const [name, platform] of platforms) {
    const host = await platform.prepare?.();
    await (host === undefined ? link(name, platform) : testOn(name, platform, host));
  }
});

/**
 * Links the addon as it is published, with this linker instead of the system's own.
 *
 * @param {string} name
 * @param {Platform} platform
 */
async function link(name, platform) {
  console.log(`\n── ${name}: the addon, which is not run`);
  await cargoFor(platform, { runner: [], env: process.env }, 'build', '--release', '--lib');
  assertLoadable(built(platform, 'release').library);
}

/**
 * @param {string} name
 * @param {Platform} platform
 * @param {Host} host
 */
async function testOn(name, platform, host) {
  // Marks the processes of these tests.
  host.env['RUN_MARKER'] = randomUUID();
  try {
    console.log(`\n── ${name}: the crate's tests`);
    const skipped = (platform.skipped ?? []).flatMap((test) => ['--skip', test]);
    await cargoFor(platform, host, 'test', '--lib', '--tests', '--', ...skipped);

    console.log(`\n── ${name}: the addon, with a stub codex`);
    await cargoFor(platform, host, 'build', '--lib', '--example', 'stub-codex');
    const { library, stub } = built(platform);
    // Those for Linux are not linked for an old glibc, as the published ones are.
    if (platform.name.startsWith('win32')) assertLoadable(library);
    // Node loads addons by this suffix, and would follow a link.
    const addon = path.join(path.dirname(library), 'codex-image.node');
    copyFileSync(library, addon);
    const env = {
      ...host.env,
      CODEX_IMAGE_ADDON_PATH: host.pathOf(addon),
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
    assertNoneLeft(host.env['RUN_MARKER']);
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
  // Under wine Node cannot open a Linux pipe.
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
 * Fails if a Codex, or a stub of it, still runs. Processes that wine starts inherit the environment
 * as well.
 *
 * @param {string} marker
 */
function assertNoneLeft(marker) {
  const left = readdirSync('/proc').filter((pid) => {
    const of = (/** @type {string} */ file) => readFileSync(`/proc/${pid}/${file}`, 'latin1');
    try {
      return Number(pid) > 0 && of('environ').includes(marker) && of('cmdline').includes('codex');
    } catch {
      // Exited since, or not readable.
      return false;
    }
  });
  if (left.length > 0) throw new Error(`processes left: ${left.join(', ')}`);
}

/**
 * A file that the platform's Node can start, for one of its programs.
 *
 * @param {string} name
 * @param {Host} host
 * @param {string} program
 */
function startable(name, { runner, pathOf }, program) {
  // Native programs, and those that wine starts, need no launcher.
  if (runner.length === 0 || pathOf(program) !== program) return pathOf(program);
  return launcher(name, [...runner, program]);
}
