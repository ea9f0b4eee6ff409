// How long JavaScript has to wait for its turn while generations run.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { generateCodexImage, setMaxConcurrentRuns } from '../index.js';
import type { Order } from './herd.js';
import type { Place } from './place.js';
import type { Row, Section } from './report.js';
import { median } from './statistics.js';
import { makeStubPlace, PROMPT, STUB } from './stubs.js';

const GENERATIONS = 16;
const EVENTS = 1000;
const RUNS = 5;
const MOST_MS = 5;

const STATISTICS = ['p50', 'p99', 'max'] as const;
type Statistic = (typeof STATISTICS)[number];

/** In milliseconds. */
type Delays = Record<Statistic | 'lasted', number>;

/** What else this process could be doing. */
const BASELINES = { idle: 'idle', beside: 'beside stubs' };
type Baseline = keyof typeof BASELINES;
type Round = Record<'ours' | Baseline, Delays>;

export async function eventLoop(): Promise<Section> {
  setMaxConcurrentRuns(GENERATIONS);
  return {
    title: 'Event-loop delay',
    text:
      `${GENERATIONS} generations at once, each by a stub Codex that prints ${EVENTS.toLocaleString('en')} events, all of which reach ` +
      '`onProgress`. `monitorEventLoopDelay` ticks every millisecond, so an undisturbed loop shows about 1 ms. ' +
      '"Idle" is the same process with nothing to do, for as long. ' +
      `The stubs are ${GENERATIONS} Node processes, which keep JavaScript waiting for a processor whoever runs them: ` +
      '"beside stubs" is this process with nothing to do while another one runs the same stubs without the addon. ' +
      'That comparison shows how much is merely their presence; the limit is on the difference to idle.',
    rows: [...(await rowsOf('over 2 s', 2000)), ...(await rowsOf('as fast as they come', 0))],
  };
}

async function rowsOf(pace: string, ms: number): Promise<Row[]> {
  const rounds = await measure(ms);
  const value = (of: keyof Round, statistic: Statistic): number =>
    median(rounds.map((round) => round[of][statistic]));
  const row = (statistic: Statistic, baseline: Baseline): Row => ({
    what: `${statistic}, events ${pace}`,
    unit: 'ms',
    ours: value('ours', statistic),
    peer: { name: BASELINES[baseline], value: value(baseline, statistic) },
    compared: 'difference',
    ...(statistic === 'p99' &&
      baseline === 'idle' && { limit: { of: 'comparison', most: MOST_MS } }),
    runs: RUNS,
  });
  return STATISTICS.flatMap((statistic) => [row(statistic, 'idle'), row(statistic, 'beside')]);
}

async function measure(ms: number): Promise<Round[]> {
  const place = await makeStubPlace(EVENTS, ms);
  const herd = fork(fileURLToPath(new URL('herd.ts', import.meta.url)));
  const died = new AbortController();
  herd.once('exit', () => died.abort());
  const runBeside = async (): Promise<void> => {
    herd.send({ place, count: GENERATIONS } satisfies Order);
    await once(herd, 'message', { signal: died.signal });
  };
  const round = async (): Promise<Round> => {
    const ours = await delays(() => generate(place));
    const idle = await delays(() => sleep(ours.lasted));
    return { ours, idle, beside: await delays(runBeside) };
  };
  try {
    // What is loaded and compiled only once belongs to no round.
    await round();
    const rounds: Round[] = [];
    for (let run = 0; run < RUNS; run += 1) rounds.push(await round());
    return rounds;
  } finally {
    herd.kill();
    await place.remove();
  }
}

async function delays(during: () => Promise<unknown>): Promise<Delays> {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  const began = performance.now();
  histogram.enable();
  await during();
  histogram.disable();
  return {
    p50: histogram.percentile(50) / 1e6,
    p99: histogram.percentile(99) / 1e6,
    max: histogram.max / 1e6,
    lasted: performance.now() - began,
  };
}

async function generate({ env }: Place): Promise<void> {
  let messages = 0;
  const generation = (): Promise<Buffer> =>
    generateCodexImage({ prompt: PROMPT, codexPath: STUB, env }, (_message, { phase }) => {
      if (phase === 'message') messages += 1;
    });
  await Promise.all(Array.from({ length: GENERATIONS }, generation));
  if (messages !== GENERATIONS * EVENTS) throw new Error(`only ${messages} events were delivered`);
}
