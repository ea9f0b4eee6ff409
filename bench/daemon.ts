// How long JavaScript has to wait for its turn while generations run, depending on the size of the process.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Order, Round } from './daemon-once.js';
import { rowsOf } from './delays.js';
import type { Row, Section } from './report.js';
import { median } from './statistics.js';

const SIZES = { '50 MB': 50, '500 MB': 500, '2 GB': 2000 };
const LOAD = { generations: 32, events: 1000, ms: 2000 };
const ROUNDS = 5;
const MOST_MS = 2;

const BASELINES = { idle: 'idle', typescript: 'plain TypeScript' };

const run = promisify(execFile);

export async function daemon(): Promise<Section> {
  const limit = { over: 'idle', mostMs: MOST_MS } as const;
  const rows: Row[] = [];
  for (const [size, megabytes] of Object.entries(SIZES)) {
    const rounds = await measure({ ...LOAD, megabytes, rounds: ROUNDS });
    rows.push(startOf(size, rounds), ...rowsOf(size, rounds, BASELINES, limit));
  }
  return {
    title: 'Event-loop delay in a large daemon',
    text:
      `As above, with ${LOAD.generations} generations at once, and the events spread over ${LOAD.ms / 1000} s, in a process of its own for each ` +
      'size: that of a buffer which it holds beside what Node itself takes, every page of it written to. The stubs are small ' +
      'shell scripts, for all of which one other process does the talking, so that they take little of the processors. "Plain ' +
      'TypeScript" is the same process with the same work, done without the addon (`bench/peers/typescript.ts`). What it costs to start ' +
      'them all at once is a row of its own; the others begin when all have started.',
    rows,
  };
}

/** Node's `spawn` copies the tables of the daemon's memory, on the JavaScript thread, once for each child. */
function startOf(size: string, rounds: readonly Round[]): Row {
  const longest = (of: 'ours' | 'typescript'): number =>
    median(rounds.map((round) => round[of].starting));
  return {
    what: `longest while they start, ${size}`,
    unit: 'ms',
    ours: longest('ours'),
    peer: { name: BASELINES.typescript, value: longest('typescript') },
    compared: 'ratio',
    runs: rounds.length,
  };
}

async function measure(order: Order): Promise<Round[]> {
  const script = fileURLToPath(new URL('daemon-once.ts', import.meta.url));
  const args = ['--import', 'tsx', script, JSON.stringify(order)];
  const { stdout } = await run(process.execPath, args);
  return JSON.parse(stdout) as Round[];
}
