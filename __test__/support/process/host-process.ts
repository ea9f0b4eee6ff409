// Starts `host-process.mjs`: a process that makes a call, and ends when told to.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { GenerateOptions } from '../../../index.js';
import { WINDOWS } from '../platform.js';

export const SCRIPT = fileURLToPath(new URL('host-process.mjs', import.meta.url));
const THIS_NODE: Program = [process.execPath, SCRIPT];

/** A command that runs a copy of {@link SCRIPT}. */
type Program = readonly [file: string, ...args: string[]];

interface HowToCall {
  inWorker?: boolean;
  call?: string;
  program?: Program;
  /** The package's name. By default the call is made with this checkout. */
  from?: string;
}

export class HostProcess {
  readonly #process: ChildProcess;
  readonly #ended: Promise<End>;

  /** Makes the call. */
  constructor(options: GenerateOptions, how: HowToCall = {}) {
    const { inWorker = false, call = 'generateCodexImage', program = THIS_NODE, from } = how;
    const order = JSON.stringify({ call, options, inWorker, from });
    const [file, ...args] = program;
    this.#process = spawn(file, [...args, order], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#ended = once(this.#process, 'exit') as Promise<End>;
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Does nothing if the host process has ended. */
  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /** Resolves when the host process has ended. */
  die(ending: string): Promise<End> {
    this.#process.stdin?.write(`${ending}\n`);
    return this.#ended;
  }

  /** Resolves when the worker with the call has ended. The host process lives on. */
  async endWorker(ending: string): Promise<void> {
    this.#process.stdin?.write(`${ending}\n`);
    if (this.#process.stdout) await once(this.#process.stdout, 'data');
  }

  /** Resolves when the host process has ended by itself. */
  leave(): Promise<End> {
    this.#process.stdin?.end();
    return this.#ended;
  }
}

export type End = [code: number | null, signal: NodeJS.Signals | null];

/** The exit of a killed process. Windows has no signals, and another exit code. */
export const KILLED: End = WINDOWS ? [1, null] : [null, 'SIGKILL'];
