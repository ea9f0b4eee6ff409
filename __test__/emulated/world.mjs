// What a generation needs, made with Node's own modules alone: these tests run under Nodes of other platforms, for which
// nothing is installed.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { makeHomeDirectory } from '../support/homes.mjs';

/** @import { ChildProcess } from 'node:child_process' */
/** @import { TestContext } from 'node:test' */
/** @import { GenerateOptions } from '../../index.js' */

/** The stub, `examples/stub-codex.rs`, or what starts it in an emulator. */
const STUB = needed('STUB_PROGRAM');
/** The command line that starts this very Node. In qemu it does not know that itself. */
const NODE = /** @type {[string, ...string[]]} */ (
  process.platform === 'win32' ? [process.execPath] : JSON.parse(needed('NODE_COMMAND'))
);
const DAEMON = fileURLToPath(new URL('../support/daemon.mjs', import.meta.url));
const PICTURE_FILE = fileURLToPath(new URL('../fixtures/pngsuite/basn6a16.png', import.meta.url));

export const PICTURE = readFileSync(PICTURE_FILE);

/** A ChatGPT login as Codex writes it. The tokens are made up, and worth nothing. */
const LOGIN = {
  auth_mode: 'chatgpt',
  OPENAI_API_KEY: null,
  tokens: {
    id_token: 'eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYi5jIn0.c2ln',
    access_token: 'eyJhbGciOiJub25lIn0.eyJleHAiOjk5OTk5OTk5OTl9.c2ln',
    refresh_token: 'rt_made-up',
    account_id: 'made-up',
  },
};

/** What no test is meant to come near; a machine that runs foreign programs is slow. */
export const PATIENCE_MS = 60_000;

/** A stub codex with a home, a temporary directory and a desk of its own. After the test nothing may be left. */
export class World {
  #root = makeHomeDirectory();
  home = path.join(this.#root, 'codex home');
  temporary = path.join(this.#root, 'tmp');
  /** Where the stub leaves what it saw. */
  desk = path.join(this.#root, 'desk');

  /** @param {TestContext} test */
  constructor(test) {
    for (const directory of [this.home, this.temporary, this.desk]) {
      mkdirSync(directory, { recursive: true });
    }
    writeFileSync(path.join(this.home, 'auth.json'), JSON.stringify(LOGIN));
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
   * @param {string} orders
   * @param {Partial<GenerateOptions>} [overrides]
   * @returns {GenerateOptions}
   */
  options(orders, overrides) {
    const env = {
      PATH: process.env['PATH'] ?? '',
      ...(process.platform === 'win32'
        ? { TEMP: this.temporary, USERPROFILE: this.#root }
        : { TMPDIR: this.temporary, HOME: this.#root }),
      CODEX_HOME: this.home,
      RUN_MARKER: process.env['RUN_MARKER'] ?? '',
      STUB_DESK: this.desk,
      STUB_ORDERS: orders,
      STUB_PICTURE: PICTURE_FILE,
      STUB_PROGRAM: STUB,
      STUB_THREAD: randomUUID(),
    };
    return { prompt: 'a red fox', codexPath: STUB, env, timeoutMs: PATIENCE_MS, ...overrides };
  }

  /**
   * What the stub saw.
   *
   * @param {'args' | 'cwd' | 'stdin' | 'variables'} what
   */
  saw(what) {
    return readFileSync(path.join(this.desk, what), 'utf8');
  }

  /** Resolves when the stub's tool is up. */
  async running() {
    // Unreferenced: waiting for a daemon that has failed must not keep this process.
    while (this.pids().length === 0) await sleep(20, undefined, { ref: false });
    assert.equal(this.pids().filter(isAlive).length, 2, 'the stub and its tool live');
    assert.equal(this.workspaces().length, 1);
  }

  /** The stub and its tool, once that has been started. */
  pids() {
    const file = path.join(this.desk, 'running');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').map(Number) : [];
  }

  /** A real Codex leaves something of its own there. */
  workspaces() {
    return readdirSync(this.temporary).filter((name) => name.includes('od-codex-image-'));
  }

  /** Resolves when no process of the run is left. */
  async dead() {
    while (this.pids().some(isAlive)) await sleep(20);
  }

  expectNothingLeft() {
    assert.deepEqual(this.pids().filter(isAlive), [], 'processes left');
    assert.deepEqual(this.workspaces(), [], 'files left');
  }

  /**
   * A daemon with such a call under way; a line on its stdin names the way to die.
   *
   * @param {GenerateOptions} options
   * @returns {Promise<ChildProcess>}
   */
  async daemon(options) {
    const order = JSON.stringify({ call: 'generateCodexImage', options, inWorker: false });
    const [program, ...args] = [...NODE, DAEMON, order];
    const daemon = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    await Promise.race([
      this.running(),
      once(daemon, 'exit').then(() => assert.fail('the daemon has ended')),
    ]);
    return daemon;
  }
}

/**
 * A zombie is dead; it only waits to be counted.
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
