// Measures the delay of the event loop while generations start and send events.

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import { generateCodexImage } from '../index.js';
import type { CallEnvironment } from '../__test__/support/load/call-environment.js';
import { STARTED, typescript } from './peers/typescript.js';
import type { Row } from './report.js';
import { median } from './statistics.js';
import { PROMPT } from './stubs.js';

const STATISTICS = ['p50', 'p99', 'max'] as const;

/** In milliseconds. */
export type Delays = Record<(typeof STATISTICS)[number], number>;

/** Delays before and after the work is under way. */
export interface Stages {
  starting: Delays;
  underWay: Delays;
  /** Duration of the second stage, in milliseconds. */
  lasted: number;
}

/** Work that reports when it is under way. Delays before that are measured apart. */
export type Work = (underWay: () => void) => Promise<unknown>;

export async function delays(work: Work): Promise<Stages> {
  const starting = monitorEventLoopDelay({ resolution: 1 });
  const underWay = monitorEventLoopDelay({ resolution: 1 });
  let began = NaN;
  starting.enable();
  // The histogram counts from its first tick.
  await sleep(5);
  await work(() => {
    starting.disable();
    began = performance.now();
    underWay.enable();
  });
  underWay.disable();
  const lasted = performance.now() - began;
  return { starting: delaysOf(starting), underWay: delaysOf(underWay), lasted };
}

function delaysOf(histogram: IntervalHistogram): Delays {
  return {
    p50: histogram.percentile(50) / 1e6,
    p99: histogram.percentile(99) / 1e6,
    max: histogram.max / 1e6,
  };
}

export function idle(ms: number): Work {
  return (underWay) => {
    underWay();
    return sleep(ms);
  };
}

/** Makes one generation and reports its events. */
export type Generate = (
  stub: Stub,
  listener: { started: () => void; message: () => void },
) => Promise<Buffer>;

/** A program that stands in for Codex, and its environment. */
export interface Stub {
  codexPath: string;
  env: CallEnvironment['env'];
}

export const ours: Generate = (stub, { started, message }) =>
  generateCodexImage({ prompt: PROMPT, ...stub }, (_message, { phase }) => {
    if (phase === 'started') started();
    if (phase === 'message') message();
  });

export const inTypeScript: Generate = (stub, { started, message }) => {
  const onProgress = (text: string): void => (text === STARTED ? started() : message());
  return typescript({ prompt: PROMPT, ...stub, onProgress });
};

export interface Load {
  stubs: Stub[];
  /** Messages of each stub. */
  events: number;
  /** Makes the stubs send their messages. */
  open: () => void;
  /** Milliseconds from one start to the next. */
  apart: number;
}

/** Runs all stubs at once. None sends a message before all have started. */
export function together(generate: Generate, { stubs, events, open, apart }: Load): Work {
  return async (underWay) => {
    let waiting = stubs.length;
    let messages = 0;
    const started = (): void => {
      waiting -= 1;
      if (waiting > 0) return;
      underWay();
      open();
    };
    const message = (): void => {
      messages += 1;
    };
    const generations = stubs.map(async (stub, n) => {
      await sleep(n * apart);
      return generate(stub, { started, message });
    });
    await Promise.all(generations);
    if (messages !== stubs.length * events)
      throw new Error(`only ${messages} events were delivered`);
  };
}

/** Compares ours with the baselines. The limit is on p99, as a difference to one of them. */
export function rowsOf<Baseline extends string>(
  label: string,
  rounds: readonly Record<'ours' | NoInfer<Baseline>, Delays>[],
  baselines: Record<Baseline, string>,
  limit?: { over: NoInfer<Baseline>; mostMs: number; headline?: string },
): Row[] {
  const row = (statistic: (typeof STATISTICS)[number], baseline: Baseline): Row => {
    const values = (of: 'ours' | Baseline): number[] => rounds.map((round) => round[of][statistic]);
    const differences = rounds.map((round) => round.ours[statistic] - round[baseline][statistic]);
    return {
      what: `${statistic}, ${label}`,
      unit: 'ms',
      ours: median(values('ours')),
      peer: { name: baselines[baseline], value: median(values(baseline)) },
      compared: 'difference',
      spread: [Math.min(...differences), Math.max(...differences)],
      ...(statistic === 'p99' &&
        limit?.over === baseline && {
          limit: { of: 'comparison', most: limit.mostMs },
          ...(limit.headline !== undefined && { headline: limit.headline }),
        }),
      runs: rounds.length,
    };
  };
  const against = Object.keys(baselines) as Baseline[];
  return STATISTICS.flatMap((statistic) => against.map((baseline) => row(statistic, baseline)));
}
