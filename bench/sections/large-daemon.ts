// How long JavaScript has to wait for its turn while generations run, depending on the size of the process.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Order, Round } from '../children/large-daemon.js';
import { type Delays, rowsOf } from '../event-loop-delay.js';
import type { Row, Section } from '../report.js';

const SIZES = { '50 MB': 50, '500 MB': 500, '2 GB': 2000 };
const LOAD = { generations: 32, events: 1000, ms: 2000, apart: 50 };
const ROUNDS = 5;
const MOST_MS = 2;

const BASELINES = { idle: 'idle', typescript: 'plain TypeScript' };

const run = promisify(execFile);

export async function daemon(): Promise<Section> {
  const limit = { over: 'idle', mostMs: MOST_MS } as const;
  const rows: Row[] = [];
  for (const [size, megabytes] of Object.entries(SIZES)) {
    const rounds = await measure({ ...LOAD, megabytes, rounds: ROUNDS });
    rows.push(
      ...rowsOf(`while they start, ${size}`, rounds.map(starting), BASELINES, limit),
      ...rowsOf(`while they talk, ${size}`, rounds.map(talking), BASELINES, limit),
    );
  }
  return {
    title: 'Event-loop delay in a large daemon',
    text:
      `As above, with ${LOAD.generations} generations, started one every ${LOAD.apart} ms; when all have started, they talk, the events ` +
      `spread over ${LOAD.ms / 1000} s. It is done in a process of its own for each size: that of a buffer which it holds beside what ` +
      'Node itself takes, every page of it written to. The stubs are small shell scripts, for all of which one other process does ' +
      'the talking, so that they take little of the processors. "Plain TypeScript" is the same process with the same work, done ' +
      'without the addon (`bench/peers/typescript.ts`): for each start, Node copies the tables of the memory of the whole process, on ' +
      'the JavaScript thread, and what it takes to talk does not depend on the size.',
    rows,
  };
}

type Shown = Record<keyof Round, Delays>;

/** An idle process has but one stage. */
function starting({ ours, idle, typescript }: Round): Shown {
  return { ours: ours.starting, idle: idle.underWay, typescript: typescript.starting };
}

function talking({ ours, idle, typescript }: Round): Shown {
  return { ours: ours.underWay, idle: idle.underWay, typescript: typescript.underWay };
}

async function measure(order: Order): Promise<Round[]> {
  const script = fileURLToPath(new URL('../children/large-daemon.ts', import.meta.url));
  const args = ['--import', 'tsx', script, JSON.stringify(order)];
  const { stdout } = await run(process.execPath, args);
  return JSON.parse(stdout) as Round[];
}
