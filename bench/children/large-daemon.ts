// Holds a buffer of the given size, measures the event loop for some rounds, and prints the results
// as JSON.

import { setMaxConcurrentRuns } from '../../index.js';
import { delays, idle, inTypeScript, ours, type Stages, together } from '../delays.js';
import { makeFifoStubs, makeStubEnvironment } from '../stubs.js';

export interface Order {
  /** Size of the buffer. */
  megabytes: number;
  generations: number;
  /** Of each generation. */
  events: number;
  /** Milliseconds over which the events are spread. */
  ms: number;
  /** Milliseconds from one start to the next. */
  apart: number;
  rounds: number;
}

export type Round = Record<'ours' | 'idle' | 'typescript', Stages>;

const { megabytes, generations, events, ms, apart, rounds }: Order = JSON.parse(
  process.argv[2] ?? '',
);

// Not zero: a process owns only the pages that it has written to.
const ballast = Buffer.alloc(megabytes * 1e6, 1);
setMaxConcurrentRuns(generations);
const place = await makeStubEnvironment(events, ms);
const { stubs, open, remove } = makeFifoStubs(place, { events, ms }, generations);
try {
  const load = { stubs, events, open, apart };
  const round = async (): Promise<Round> => {
    const busy = await delays(together(ours, load));
    return {
      ours: busy,
      idle: await delays(idle(busy.lasted)),
      typescript: await delays(together(inTypeScript, load)),
    };
  };
  // Warms up: code is loaded and compiled only once.
  await round();
  const all: Round[] = [];
  for (let n = 0; n < rounds; n += 1) all.push(await round());
  if (process.memoryUsage.rss() < ballast.length) throw new Error('the memory is not held');
  console.log(JSON.stringify(all));
} finally {
  remove();
  await place.remove();
}
