// The delay of the event loop while generations run, by the size of the process.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Order, Round } from '../children/large-daemon.js';
import { type Delays, rowsOf } from '../delays.js';
import type { Plot } from '../plots.js';
import type { Row, Section } from '../report.js';
import { median } from '../statistics.js';

/** In megabytes. */
const SIZES = { '50 MB': 50, '500 MB': 500, '2 GB': 2000 };
type Size = keyof typeof SIZES;
const LARGEST: Size = '2 GB';
const LOAD = { generations: 32, events: 1000, ms: 2000, apart: 50 };
const ROUNDS = 5;
const MOST_MS = 2;

const BASELINES = { idle: 'idle', typescript: 'plain TypeScript' };

const run = promisify(execFile);

export async function largeDaemon(): Promise<Section> {
  const limit = { over: 'idle', mostMs: MOST_MS } as const;
  const rows: Row[] = [];
  const whileStarting: Partial<Record<Size, Shown[]>> = {};
  for (const size of Object.keys(SIZES) as Size[]) {
    const rounds = await measure({ ...LOAD, megabytes: SIZES[size], rounds: ROUNDS });
    const start = rounds.map(starting);
    whileStarting[size] = start;
    const headline = `Event-loop delay (p99) while ${LOAD.generations} calls start, ${size}`;
    rows.push(
      ...rowsOf(`while they start, ${size}`, start, BASELINES, {
        ...limit,
        ...(size === LARGEST && { headline }),
      }),
      ...rowsOf(`while they talk, ${size}`, rounds.map(talking), BASELINES, limit),
    );
  }
  return {
    title: 'Event-loop delay in a large daemon',
    text:
      `The same measurement with ${LOAD.generations} generations, of which one starts every ${LOAD.apart} ` +
      `ms. When all have started, they send their events over ${LOAD.ms / 1000} s. Each size has ` +
      'a process of its own, which holds a buffer of that size beside what Node itself takes; ' +
      'every page of it has been written to. The stubs are small programs whose events come ' +
      'from one other process, so that they take little of the processors. "Plain TypeScript" is ' +
      'the same process with the same work, without the addon (`bench/peers/typescript.ts`). For ' +
      'each start Node copies the page tables of the whole process, on the JavaScript thread. ' +
      'The cost of the events does not depend on the size.',
    rows,
    plot: startingPlot(whileStarting),
  };
}

function startingPlot(rounds: Partial<Record<Size, Shown[]>>): Plot {
  const pointsOf = (key: keyof Shown): [number, number][] =>
    Object.entries(rounds).map(([size, shown]) => [
      SIZES[size as Size],
      median(shown.map((round) => round[key].p99)),
    ]);
  return {
    kind: 'lines',
    file: 'event-loop-delay',
    title: `Event-loop delay while ${LOAD.generations} generations start`,
    alt: 'Lines: event-loop delay by process size, for codex-image and plain TypeScript.',
    x: {
      title: 'memory that the process holds (logarithmic)',
      ticks: Object.entries(SIZES).map(([label, value]) => ({ value, label })),
    },
    y: { title: 'delay, p99, in ms (logarithmic)', unit: 'ms' },
    lines: [
      { name: 'plain TypeScript', role: 'peer', points: pointsOf('typescript') },
      { name: 'codex-image', role: 'ours', points: pointsOf('ours') },
      { name: 'idle', role: 'baseline', points: pointsOf('idle') },
    ],
  };
}

type Shown = Record<keyof Round, Delays>;

/** An idle process has only one stage. */
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
