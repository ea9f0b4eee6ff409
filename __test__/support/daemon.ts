// The specs' side of `daemon.mjs`: a process of its own that makes a call, and dies when told to.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { onTestFinished } from 'vitest';

import type { GenerateOptions } from '../../index.js';
import { WINDOWS } from './platform.js';

const SCRIPT = fileURLToPath(new URL('daemon.mjs', import.meta.url));

export class Daemon {
  readonly #process: ChildProcess;
  readonly #ended: Promise<End>;

  /** Makes the call, in a worker if need be. */
  constructor(options: GenerateOptions, { inWorker = false, call = 'generateCodexImage' } = {}) {
    const order = JSON.stringify({ call, options, inWorker });
    this.#process = spawn(process.execPath, [SCRIPT, order], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#ended = once(this.#process, 'exit') as Promise<End>;
    onTestFinished(() => void this.#process.kill('SIGKILL'));
  }

  /** Resolves when the daemon is gone. */
  die(way: string): Promise<End> {
    this.#process.stdin?.write(`${way}\n`);
    return this.#ended;
  }

  /** Resolves when the worker that makes the call has ended; the daemon lives on. */
  async endWorker(way: string): Promise<void> {
    this.#process.stdin?.write(`${way}\n`);
    if (this.#process.stdout) await once(this.#process.stdout, 'data');
  }

  /** Resolves when the daemon has ended by itself. */
  leave(): Promise<End> {
    this.#process.stdin?.end();
    return this.#ended;
  }
}

export type End = [code: number | null, signal: NodeJS.Signals | null];

/** The end of one that was killed: on Windows, which knows no signals, it only has another exit code. */
export const KILLED: End = WINDOWS ? [1, null] : [null, 'SIGKILL'];
