// The table of processes. Linux has it as files, macOS has programs that read it. The programs of
// Windows are too slow to run after every test.

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

import { MACOS } from '../platform.js';

export interface Process {
  pid: number;
  parent: number;
  /** One letter: `Z` is a zombie, `T` is stopped. */
  state: string;
  /** Its arguments, separated by spaces. */
  command: string;
  /** Whether the environment it was started with contains this text. */
  carries: (text: string) => boolean;
  /** Its working directory, if it is known. */
  cwd: () => string | undefined;
}

/** Returns all processes that may be inspected. */
export const processes: () => Process[] = MACOS ? fromPrograms : fromFiles;

/** Returns the children of `parent`, zombies included. */
export function childrenOf(parent: number): Process[] {
  return processes().filter((candidate) => candidate.parent === parent);
}

function fromFiles(): Process[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid))
    .flatMap((pid) => {
      const status = read(pid, 'status');
      const state = /^State:\s+(\S)/m.exec(status)?.[1];
      // It has ended meanwhile.
      if (state === undefined || state === 'X') return [];
      return {
        pid,
        parent: Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]),
        state,
        command: read(pid, 'cmdline').replaceAll('\0', ' ').trim(),
        carries: (text) => read(pid, 'environ').includes(text),
        cwd: () => directoryOf(pid),
      } satisfies Process;
    });
}

function directoryOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '');
  } catch {
    return undefined;
  }
}

/** Empty if the process is gone: any process may end between two reads. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

/**
 * ps(1) and lsof(8) of macOS: `-E` shows the environment behind the arguments, of the user's own
 * processes only, and of none of Apple's programs.
 */
function fromPrograms(): Process[] {
  const whole = new Map(ps('-axwwE', 'pid', 'command'));
  let directories: Map<number, string> | undefined;
  return ps('-axww', 'pid', 'ppid', 'stat', 'command').flatMap(([pid, text]) => {
    const [, parent, state, command] = /^(\d+)\s+(\S)\S*\s+(.*)$/.exec(text) ?? [];
    if (parent === undefined || state === undefined || command === undefined) return [];
    return {
      pid,
      parent: Number(parent),
      state,
      command,
      carries: (part) => (whole.get(pid) ?? '').slice(command.length).includes(part),
      cwd: () => (directories ??= workingDirectories()).get(pid),
    } satisfies Process;
  });
}

function ps(which: string, ...columns: string[]): [pid: number, rest: string][] {
  // After an equals sign the rest is a heading, commas included.
  const text = ask('ps', [which, ...columns.flatMap((column) => ['-o', `${column}=`])]);
  return text.split('\n').flatMap((line): [number, string][] => {
    const [, pid, rest] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid === undefined || rest === undefined ? [] : [[Number(pid), rest.trimEnd()]];
  });
}

/** By pid, of the user's own processes. */
function workingDirectories(): Map<number, string> {
  const user = String(process.getuid?.());
  const text = ask('lsof', ['-w', '-a', '-u', user, '-d', 'cwd', '-Fpn']);
  const found = new Map<number, string>();
  for (const [, pid, name] of text.matchAll(/^p(\d+)\n(?:f.*\n)?n(.*)$/gm)) {
    found.set(Number(pid), name ?? '');
  }
  return found;
}

/**
 * Returns the output of a program. lsof exits with 1 if it could not inspect everything. It gets
 * none of the tests' environment.
 */
function ask(program: string, args: string[]): string {
  const env = { PATH: process.env['PATH'] };
  const { stdout, error } = spawnSync(program, args, { encoding: 'utf8', env, maxBuffer: 1 << 26 });
  if (error !== undefined) throw error;
  return stdout;
}
