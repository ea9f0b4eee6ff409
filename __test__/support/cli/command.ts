// The built command line, in a pipe or in a terminal, with the stub or the real CLI.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import pty from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { expect, onTestFinished } from 'vitest';

import { WINDOWS } from '../platform.js';
import { test as base } from '../stub/stub.js';
import { SCRIPT_STUB } from '../stub/stub-program.js';

export const CLI = fileURLToPath(new URL('../../../dist/cli.mjs', import.meta.url));

/** The environment and the working directory of a command. */
export interface CommandEnvironment {
  env: Record<string, string>;
  /** The working directory, in which images are written. */
  scratch: string;
}

/** Uses the stub as the Codex CLI. */
export const test = base.extend<{ commandEnv: CommandEnvironment }>({
  commandEnv: async ({ codex }, use) => {
    await use({ env: { ...codex.env, CODEX_BIN: SCRIPT_STUB }, scratch: codex.scratch });
  },
});

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: Buffer;
  stderr: string;
}

export interface Setting {
  env?: Record<string, string>;
  /** Another copy of the command. */
  cli?: string;
}

/** Runs the command with its three streams in pipes. */
export class Piped {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;

  constructor(commandEnv: CommandEnvironment, args: string[], { env, cli = CLI }: Setting = {}) {
    const child = spawn(process.execPath, [cli, ...args], {
      cwd: commandEnv.scratch,
      env: { ...commandEnv.env, ...env },
      stdio: 'pipe',
    });
    this.child = child;
    const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    this.ended = Promise.all([closed, buffer(child.stdout), buffer(child.stderr)]).then(
      ([[code, signal], stdout, stderr]) => ({ code, signal, stdout, stderr: stderr.toString() }),
    );
    onTestFinished(() => void child.kill('SIGKILL'));
  }
}

/** Runs the command to its end, with that stdin. */
export function run(
  commandEnv: CommandEnvironment,
  args: string[],
  { stdin = '', ...setting }: Setting & { stdin?: string | Uint8Array } = {},
): Promise<Outcome> {
  const { child, ended } = new Piped(commandEnv, args, setting);
  // A command that does not read stdin may have exited before it is written.
  child.stdin?.on('error', () => {}).end(stdin);
  return ended;
}

/** The events that `--json` has printed. Every line must be an object. */
export function events({ stdout }: Outcome): { type: string; [member: string]: unknown }[] {
  const text = stdout.toString();
  expect(text === '' || text.endsWith('\n'), 'the last line is whole').toBe(true);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

export interface TerminalSetting extends Setting {
  columns?: number;
  rows?: number;
  /** What the terminal answers if it is asked for its attributes. By default, it has no sixels. */
  answer?: string;
  /** What the shell runs, with the command as `"$0" "$@"`. Not on Windows. */
  script?: string;
}

/**
 * Runs the command in its own terminal, behind a shell that prints its exit code and then waits:
 * output that a terminal has not read when its last process ends is lost.
 */
export class Terminal {
  /** All bytes that were sent to the terminal. */
  output = '';
  readonly #pty: pty.IPty;
  readonly #screen: xterm.Terminal;
  #gone = false;

  constructor(
    commandEnv: CommandEnvironment,
    args: string[],
    { env = {}, columns = 80, rows = 24, answer, script }: TerminalSetting = {},
  ) {
    this.#screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
    if (answer !== undefined) {
      this.#screen.parser.registerCsiHandler({ final: 'c' }, () => {
        this.type(answer);
        return true;
      });
    }
    // The answers to other queries.
    this.#screen.onData((data) => {
      if (!this.#gone) this.type(data);
    });
    const [shell = '', ...session] = script === undefined ? SESSION : sessionOf(script);
    this.#pty = pty.spawn(shell, [...session, CLI, ...args], {
      // It sets TERM itself.
      name: env['TERM'] ?? 'xterm-256color',
      cols: columns,
      rows,
      cwd: commandEnv.scratch,
      env: { ...NEEDED, ...commandEnv.env, ...env },
    });
    this.#pty.onExit(() => {
      this.#gone = true;
    });
    this.#pty.onData((data) => {
      this.output += data;
      this.#screen.write(data);
    });
    onTestFinished(() => this.close());
  }

  /** The screen, without empty lines at the end. */
  async lines(): Promise<string[]> {
    await new Promise<void>((resolve) => {
      this.#screen.write('', resolve);
    });
    const { active } = this.#screen.buffer;
    const all = Array.from(
      { length: active.length },
      (_, y) => active.getLine(y)?.translateToString(true) ?? '',
    );
    return all.slice(0, all.findLastIndex((line) => line !== '') + 1);
  }

  /** Resolves when output that matches was sent to the terminal. */
  async sent(pattern: RegExp): Promise<void> {
    await until(() => pattern.test(this.output) || EXITED.test(this.output));
    expect(this.output).toMatch(pattern);
  }

  type(keys: string): void {
    this.#pty.write(keys);
  }

  resize(columns: number, rows: number): void {
    this.#screen.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  /** Resolves with the exit code when the command has ended. */
  async exited(): Promise<number> {
    await this.sent(EXITED);
    this.type('\r');
    await until(() => this.#gone);
    return Number(EXITED.exec(this.output)?.[1]);
  }

  /** Closes the terminal like a window. */
  async close(): Promise<void> {
    if (this.#gone) return;
    // Its type lacks `destroy`.
    (this.#pty as pty.IPty & { destroy(): void }).destroy();
    await until(() => this.#gone);
    this.#screen.dispose();
  }
}

/** Ctrl-C must reach the command alone. */
const SCRIPT = `trap : INT; "$0" "$@"; echo "[exit $?]"; read -r _`;
const SESSION = WINDOWS
  ? [process.execPath, fileURLToPath(new URL('session.mjs', import.meta.url))]
  : sessionOf(SCRIPT);

function sessionOf(script: string): string[] {
  return ['/bin/sh', '-c', script, process.execPath];
}

/** Variables that `child_process` would add. */
const NEEDED = WINDOWS ? { SystemRoot: process.env['SystemRoot'] ?? '' } : {};
const EXITED = /\[exit (\d+)\]/;

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}
