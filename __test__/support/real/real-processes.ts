// Details of the processes of a real Codex.

import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { promisify } from 'node:util';

import { LINUX } from '../platform.js';
import type { Survivor } from '../process/survivors.js';

export interface RunningProcess {
  /** As in a process list. */
  command: string;
  /** The path of the executable. */
  program: string;
  /** The variables that it was started with, where they can be read. */
  env: string[];
}

/** Returns undefined if the process has ended meanwhile. */
export function details({ pid, command }: Survivor): RunningProcess | undefined {
  try {
    return { command, ...(LINUX ? fromFiles(pid) : fromPrograms(pid, command)) };
  } catch {
    return undefined;
  }
}

function fromFiles(pid: number): { program: string; env: string[] } {
  const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  return { program: readlinkSync(`/proc/${pid}/exe`), env };
}

/** For macOS. A value with a space is split, which no name is. */
function fromPrograms(pid: number, command: string): { program: string; env: string[] } {
  const whole = print('ps', '-wwE', '-o', 'command=', '-p', String(pid));
  // The first of the files that are mapped as text.
  const files = print('lsof', '-w', '-a', '-p', String(pid), '-d', 'txt', '-Fn');
  const program = /^n(.*)$/m.exec(files)?.[1];
  if (program === undefined) throw new Error('the process has ended');
  return { program, env: whole.slice(command.length).trim().split(' ') };
}

function print(program: string, ...args: string[]): string {
  return spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 26 }).stdout;
}

interface WindowsProcess extends Survivor, RunningProcess {
  /** Identifies a process together with its pid. */
  started: number;
}

/**
 * The processes of a fixture on Windows, which shows neither environments nor working directories:
 * those with its directory in their arguments, as Codex has, and all descendants. A known process
 * stays known when its parents are gone. A scan takes about a second.
 */
export class WindowsProcesses {
  readonly #known = new Map<number, number>();

  constructor(private readonly directory: string) {}

  /** Blocks this thread, and with it the backend. */
  scanSync(): WindowsProcess[] {
    return this.#among(execFileSync(...TABLE));
  }

  async scan(): Promise<WindowsProcess[]> {
    return this.#among((await promisify(execFile)(...TABLE)).stdout);
  }

  #among(table: string): WindowsProcess[] {
    const all = JSON.parse(table) as WindowsProcess[];
    const ours = all.filter(
      ({ pid, started, command }) =>
        this.#known.get(pid) === started || command.includes(this.directory),
    );
    // The list grows during the iteration.
    for (const { pid, started } of ours) {
      const children = all.filter((child) => child.parent === pid && child.started >= started);
      ours.push(...children.filter((child) => !ours.includes(child)));
    }
    for (const { pid, started } of ours) this.#known.set(pid, started);
    return ours;
  }
}

const TABLE = [
  'powershell.exe',
  [
    '-NoProfile',
    '-NonInteractive',
    '-Command',
    `[Console]::OutputEncoding = [Text.Encoding]::UTF8;
    Get-CimInstance Win32_Process | ForEach-Object { @{
      pid = $_.ProcessId; parent = $_.ParentProcessId; started = [double]$_.CreationDate.Ticks; state = 'R';
      program = "$($_.ExecutablePath)"; command = "$($_.CommandLine)"; env = @()
    } } | ConvertTo-Json -Compress`,
  ],
  { encoding: 'utf8', maxBuffer: 1 << 26 },
] as const satisfies Parameters<typeof execFileSync>;
