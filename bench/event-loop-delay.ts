// How late JavaScript gets its turn while many generations start and talk to it.

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import { generateCodexImage } from '../index.js';
import type { Place } from '../__test__/support/place.js';
import { STARTED, typescript } from './peers/typescript.js';
import type { Row } from './report.js';
import { median } from './statistics.js';
import { PROMPT } from './stubs.js';

const STATISTICS = ['p50', 'p99', 'max'] as const;

/** In milliseconds. */
export type Delays = Record<(typeof STATISTICS)[number], number>;

/** Before the work is under way, and after. */
export interface Stages {
  starting: Delays;
  underWay: Delays;
  /** How long it was under way, in milliseconds. */
  lasted: number;
}

/** Work that says when it is under way; what comes before is measured apart. */
export type Work = (underWay: () => void) => Promise<unknown>;

export async function delays(work: Work): Promise<Stages> {
  const starting = monitorEventLoopDelay({ resolution: 1 });
  const underWay = monitorEventLoopDelay({ resolution: 1 });
  let began = NaN;
  starting.enable();
  // It counts from its first tick.
  await sleep(5);
  await work(() => {
    starting.disable();
    began = performance.now();
    underWay.enable();
  });
  underWay.disable();
  const lasted = performance.now() - began;
  return { starting: shownBy(starting), underWay: shownBy(underWay), lasted };
}

function shownBy(histogram: IntervalHistogram): Delays {
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

/** One generation, and what is heard of it. */
export type Generate = (
  stub: Stub,
  heard: { started: () => void; said: () => void },
) => Promise<Buffer>;

/** What is run in the place of Codex, and with what environment. */
export interface Stub {
  codexPath: string;
  env: Place['env'];
}

export const ours: Generate = (stub, { started, said }) =>
  generateCodexImage({ prompt: PROMPT, ...stub }, (_message, { phase }) => {
    if (phase === 'started') started();
    if (phase === 'message') said();
  });

export const inTypeScript: Generate = (stub, { started, said }) => {
  const onProgress = (message: string): void => (message === STARTED ? started() : said());
  return typescript({ prompt: PROMPT, ...stub, onProgress });
};

export interface Gathering {
  stubs: Stub[];
  /** How many things each of them says. */
  events: number;
  /** Lets them speak. */
  open: () => void;
  /** In milliseconds, from one start to the next. */
  apart: number;
}

/** Generations at the same time, none of which says anything before all have started. */
export function together(generate: Generate, { stubs, events, open, apart }: Gathering): Work {
  return async (underWay) => {
    let waiting = stubs.length;
    let messages = 0;
    const started = (): void => {
      waiting -= 1;
      if (waiting > 0) return;
      underWay();
      open();
    };
    const said = (): void => {
      messages += 1;
    };
    const generations = stubs.map(async (stub, n) => {
      await sleep(n * apart);
      return generate(stub, { started, said });
    });
    await Promise.all(generations);
    if (messages !== stubs.length * events)
      throw new Error(`only ${messages} events were delivered`);
  };
}

/** Ours against the baselines, statistic by statistic. The limit is on how much p99 may be above that of one of them. */
export function rowsOf<Baseline extends string>(
  label: string,
  rounds: readonly Record<'ours' | NoInfer<Baseline>, Delays>[],
  baselines: Record<Baseline, string>,
  limit?: { over: NoInfer<Baseline>; mostMs: number },
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
        limit?.over === baseline && { limit: { of: 'comparison', most: limit.mostMs } }),
      runs: rounds.length,
    };
  };
  const against = Object.keys(baselines) as Baseline[];
  return STATISTICS.flatMap((statistic) => against.map((baseline) => row(statistic, baseline)));
}
