// The delay of the event loop while generations run.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { setMaxConcurrentRuns } from '../../index.js';
import { type Delays, delays, idle, ours, rowsOf, together, type Work } from '../delays.js';
import type { Order, Report } from '../children/bare-stubs.js';
import type { Section } from '../report.js';
import { makeGate, makeStubEnvironment, COMPILED_STUB } from '../stubs.js';

const GENERATIONS = 16;
const EVENTS = 1000;
const ROUNDS = 9;
const MOST_MS = 5;

/** The same process without generations: alone, or beside the stubs of another process. */
const BASELINES = { idle: 'idle', beside: 'beside stubs' };
type Round = Record<'ours' | keyof typeof BASELINES, Delays>;

export async function eventLoop(): Promise<Section> {
  setMaxConcurrentRuns(GENERATIONS);
  const limit = { over: 'idle', mostMs: MOST_MS } as const;
  return {
    title: 'Event-loop delay',
    text:
      `${GENERATIONS} generations at once, each by a stub Codex that prints ` +
      `${EVENTS.toLocaleString('en')} events, all of which reach \`onProgress\`. Measured from ` +
      'the moment at which all stubs have started and begin to print until the last promise has ' +
      'settled. `monitorEventLoopDelay` ticks every millisecond, so an undisturbed loop shows ' +
      'about 1 ms. "Idle" is the same process with nothing to do, for as long. The stubs are ' +
      `${GENERATIONS} processes, which compete for the processors with whatever else runs: ` +
      '"beside stubs" is this process with nothing to do while another one runs the same stubs ' +
      'without the addon. That comparison shows how much comes from the stubs alone. The limit ' +
      'is on the difference to idle while the events are spread over 2 s, which is about a ' +
      'hundred times as fast as Codex prints any. Printed at full speed, they take a tenth of ' +
      'that, and the stubs use all processors: these figures are those of an overloaded machine.',
    rows: [
      ...rowsOf('events over 2 s', await measure(2000), BASELINES, limit),
      ...rowsOf('events at full speed', await measure(0), BASELINES),
    ],
  };
}

async function measure(ms: number): Promise<Round[]> {
  const callEnv = await makeStubEnvironment(EVENTS, ms);
  const gate = makeGate(callEnv.directory);
  const env = { ...callEnv.env, ...gate.env };
  const child = fork(fileURLToPath(new URL('../children/bare-stubs.ts', import.meta.url)));
  const died = new AbortController();
  child.once('exit', () => died.abort());
  const reported = async (report: Report): Promise<void> => {
    const [actual] = (await once(child, 'message', { signal: died.signal })) as [Report];
    if (actual !== report) throw new Error(`the child reports: ${actual}`);
  };
  const beside: Work = async (underWay) => {
    child.send({
      callEnv: { directory: callEnv.directory, env },
      count: GENERATIONS,
    } satisfies Order);
    await reported('all have started');
    underWay();
    gate.open(GENERATIONS);
    await reported('all have ended');
  };
  const stubs = Array.from({ length: GENERATIONS }, () => ({ codexPath: COMPILED_STUB, env }));
  const open = (): void => gate.open(GENERATIONS);
  const work = together(ours, { stubs, events: EVENTS, open, apart: 0 });
  const round = async (): Promise<Round> => {
    const busy = await delays(work);
    const quiet = await delays(idle(busy.lasted));
    const without = await delays(beside);
    return { ours: busy.underWay, idle: quiet.underWay, beside: without.underWay };
  };
  try {
    // Warms up: code is loaded and compiled only once.
    await round();
    const rounds: Round[] = [];
    for (let run = 0; run < ROUNDS; run += 1) rounds.push(await round());
    return rounds;
  } finally {
    child.kill();
    gate.remove();
    await callEnv.remove();
  }
}
