// How long JavaScript has to wait for its turn while generations run.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { generateCodexImage, setMaxConcurrentRuns } from '../index.js';
import type { Order, Report } from './herd.js';
import type { Place } from '../__test__/support/place.js';
import type { Row, Section } from './report.js';
import { median } from './statistics.js';
import { makeGate, makeStubPlace, PROMPT, STUB } from './stubs.js';

const GENERATIONS = 16;
const EVENTS = 1000;
const ROUNDS = 9;
const MOST_MS = 5;

const STATISTICS = ['p50', 'p99', 'max'] as const;
type Statistic = (typeof STATISTICS)[number];

/** In milliseconds. */
type Delays = Record<Statistic | 'lasted', number>;

/** What else this process could be doing. */
const BASELINES = { idle: 'idle', beside: 'beside stubs' };
type Baseline = keyof typeof BASELINES;
type Round = Record<'ours' | Baseline, Delays>;

/** Work that has to get under way before it can be measured. */
type Work = (underWay: () => void) => Promise<unknown>;

export async function eventLoop(): Promise<Section> {
  setMaxConcurrentRuns(GENERATIONS);
  return {
    title: 'Event-loop delay',
    text:
      `${GENERATIONS} generations at once, each by a stub Codex that prints ${EVENTS.toLocaleString('en')} events, all of which reach ` +
      '`onProgress`. Measured from the moment at which all stubs have started and begin to print until the last promise has ' +
      'settled. `monitorEventLoopDelay` ticks every millisecond, so an undisturbed loop shows about 1 ms. ' +
      '"Idle" is the same process with nothing to do, for as long. ' +
      `The stubs are ${GENERATIONS} Node processes, which keep JavaScript waiting for a processor whoever runs them: ` +
      '"beside stubs" is this process with nothing to do while another one runs the same stubs without the addon. ' +
      'That comparison shows how much is merely their presence. The limit is on the difference to idle while the events come ' +
      'as a stream, spread over 2 s: some hundred times as fast as Codex prints any. As fast as they come they are over in a ' +
      'tenth of that, and the stubs leave hardly a processor to anybody: that figure is that of a machine with nothing to spare.',
    rows: [
      ...(await rowsOf('over 2 s', 2000, MOST_MS)),
      ...(await rowsOf('as fast as they come', 0)),
    ],
  };
}

async function rowsOf(pace: string, ms: number, mostMs?: number): Promise<Row[]> {
  const rounds = await measure(ms);
  const row = (statistic: Statistic, baseline: Baseline): Row => {
    const values = (of: keyof Round): number[] => rounds.map((round) => round[of][statistic]);
    const differences = rounds.map((round) => round.ours[statistic] - round[baseline][statistic]);
    return {
      what: `${statistic}, events ${pace}`,
      unit: 'ms',
      ours: median(values('ours')),
      peer: { name: BASELINES[baseline], value: median(values(baseline)) },
      compared: 'difference',
      spread: [Math.min(...differences), Math.max(...differences)],
      ...(mostMs !== undefined &&
        statistic === 'p99' &&
        baseline === 'idle' && { limit: { of: 'comparison', most: mostMs } }),
      runs: ROUNDS,
    };
  };
  return STATISTICS.flatMap((statistic) => [row(statistic, 'idle'), row(statistic, 'beside')]);
}

async function measure(ms: number): Promise<Round[]> {
  const place = await makeStubPlace(EVENTS, ms);
  const gate = makeGate(place.directory);
  const env = { ...place.env, ...gate.env };
  const herd = fork(fileURLToPath(new URL('herd.ts', import.meta.url)));
  const died = new AbortController();
  herd.once('exit', () => died.abort());
  const heard = async (report: Report): Promise<void> => {
    const [said] = (await once(herd, 'message', { signal: died.signal })) as [Report];
    if (said !== report) throw new Error(`the herd says that ${said}`);
  };
  const beside: Work = async (underWay) => {
    herd.send({ place: { directory: place.directory, env }, count: GENERATIONS } satisfies Order);
    await heard('all have started');
    underWay();
    gate.open(GENERATIONS);
    await heard('all have ended');
  };
  const ours: Work = (underWay) =>
    generate(env, () => {
      underWay();
      gate.open(GENERATIONS);
    });
  const round = async (): Promise<Round> => {
    const busy = await delays(ours);
    const idle = await delays((underWay) => {
      underWay();
      return sleep(busy.lasted);
    });
    return { ours: busy, idle, beside: await delays(beside) };
  };
  try {
    // What is loaded and compiled only once belongs to no round.
    await round();
    const rounds: Round[] = [];
    for (let run = 0; run < ROUNDS; run += 1) rounds.push(await round());
    return rounds;
  } finally {
    herd.kill();
    gate.remove();
    await place.remove();
  }
}

async function delays(work: Work): Promise<Delays> {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  let began = NaN;
  await work(() => {
    began = performance.now();
    histogram.enable();
  });
  histogram.disable();
  return {
    p50: histogram.percentile(50) / 1e6,
    p99: histogram.percentile(99) / 1e6,
    max: histogram.max / 1e6,
    lasted: performance.now() - began,
  };
}

async function generate(env: Place['env'], allHaveStarted: () => void): Promise<void> {
  let started = 0;
  let messages = 0;
  const generation = (): Promise<Buffer> =>
    generateCodexImage({ prompt: PROMPT, codexPath: STUB, env }, (_message, { phase }) => {
      if (phase === 'message') messages += 1;
      if (phase === 'started' && (started += 1) === GENERATIONS) allHaveStarted();
    });
  await Promise.all(Array.from({ length: GENERATIONS }, generation));
  if (messages !== GENERATIONS * EVENTS) throw new Error(`only ${messages} events were delivered`);
}
