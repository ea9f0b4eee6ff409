// The fixture of these tests. It uses Node's own modules alone, because nothing is installed for an
// emulated Node.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { CHATGPT_LOGIN } from '../support/call/login.mjs';
import { leftIn, makeHomeDirectory } from '../support/homes.mjs';

/** @import { ChildProcess } from 'node:child_process' */
/** @import { TestContext } from 'node:test' */
/** @import { GenerateOptions } from '../../index.js' */

/** The compiled stub, or the launcher that runs it in an emulator. */
const STUB = needed('STUB_PROGRAM');
/** The command line of this Node, which does not know it itself in qemu. */
const NODE = /** @type {[string, ...string[]]} */ (
  process.platform === 'win32' ? [process.execPath] : JSON.parse(needed('NODE_COMMAND'))
);
const HOST_PROCESS = fileURLToPath(new URL('../support/process/host-process.mjs', import.meta.url));
const PICTURE_FILE = fileURLToPath(new URL('../fixtures/pngsuite/basn6a16.png', import.meta.url));

export const PICTURE = readFileSync(PICTURE_FILE);

/** Much longer than any call takes, because emulators are slow. */
export const TIMEOUT_MS = 60_000;

/**
 * A stub with its own home, temporary directory and directory for recordings. Asserts after the
 * test that nothing is left.
 */
export class EmulatedCodex {
  #root = makeHomeDirectory();
  home = path.join(this.#root, 'codex home');
  temporary = path.join(this.#root, 'tmp');
  /** The directory in which the stub writes what it saw. */
  controlDir = path.join(this.#root, 'control');

  /** @param {TestContext} test */
  constructor(test) {
    for (const directory of [this.home, this.temporary, this.controlDir]) {
      mkdirSync(directory, { recursive: true });
    }
    writeFileSync(path.join(this.home, 'auth.json'), JSON.stringify(CHATGPT_LOGIN));
    test.after(() => {
      try {
        this.expectNothingLeft();
      } finally {
        for (const pid of this.pids().filter(isAlive)) process.kill(pid, 'SIGKILL');
        rmSync(this.#root, { recursive: true, force: true, maxRetries: 5 });
      }
    });
  }

  /**
   * @param {string} steps
   * @param {Partial<GenerateOptions>} [overrides]
   * @returns {GenerateOptions}
   */
  options(steps, overrides) {
    const env = {
      PATH: process.env['PATH'] ?? '',
      ...(process.platform === 'win32'
        ? { TEMP: this.temporary, USERPROFILE: this.#root }
        : { TMPDIR: this.temporary, HOME: this.#root }),
      CODEX_HOME: this.home,
      RUN_MARKER: process.env['RUN_MARKER'] ?? '',
      STUB_CONTROL_DIR: this.controlDir,
      STUB_STEPS: steps,
      STUB_PICTURE: PICTURE_FILE,
      STUB_PROGRAM: STUB,
      STUB_THREAD: randomUUID(),
    };
    return { prompt: 'a red fox', codexPath: STUB, env, timeoutMs: TIMEOUT_MS, ...overrides };
  }

  /**
   * Returns what the stub saw.
   *
   * @param {'args' | 'cwd' | 'stdin' | 'variables'} what
   */
  saw(what) {
    return readFileSync(path.join(this.controlDir, what), 'utf8');
  }

  /** Resolves when the stub's tool runs. */
  async running() {
    // Unreferenced, so that waiting for a failed host process does not keep this process.
    while (this.pids().length === 0) await sleep(20, undefined, { ref: false });
    assert.equal(this.pids().filter(isAlive).length, 2, 'the stub and its tool live');
    assert.equal(this.runDirs().length, 1);
  }

  /** The process ids of the stub and its tool, once that runs. */
  pids() {
    const file = path.join(this.controlDir, 'running');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').map(Number) : [];
  }

  /** Names of the run directories: of all temporary files. */
  runDirs() {
    return leftIn(this.temporary);
  }

  /** Resolves when no process of the call is left. */
  async dead() {
    while (this.pids().some(isAlive)) await sleep(20);
  }

  expectNothingLeft() {
    assert.deepEqual(this.pids().filter(isAlive), [], 'processes left');
    assert.deepEqual(this.runDirs(), [], 'files left');
  }

  /**
   * Starts a host process with such a call. A line on its stdin names its ending.
   *
   * @param {GenerateOptions} options
   * @returns {Promise<ChildProcess>}
   */
  async hostProcess(options) {
    const order = JSON.stringify({ call: 'generateCodexImage', options, inWorker: false });
    const [program, ...args] = [...NODE, HOST_PROCESS, order];
    const host = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    await Promise.race([
      this.running(),
      once(host, 'exit').then(() => assert.fail('the host process has ended')),
    ]);
    return host;
  }
}

/**
 * Zombies count as dead.
 *
 * @param {number} pid
 */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    if (process.platform !== 'linux') return true;
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** @param {string} name */
export function needed(name) {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: see scripts/test-emulated.mjs`);
  return value;
}
