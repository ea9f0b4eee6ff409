// A process of its own, as large as a daemon may be, that measures so many rounds and says what they showed.

import { setMaxConcurrentRuns } from '../../index.js';
import { delays, idle, inTypeScript, ours, type Stages, together } from '../event-loop-delay.js';
import { makeStubPlace, makeVoices } from '../stubs.js';

export interface Order {
  /** Beside what Node itself takes. */
  megabytes: number;
  generations: number;
  /** Of each generation. */
  events: number;
  /** Over which the events are spread. */
  ms: number;
  /** From the start of one generation to that of the next, in milliseconds. */
  apart: number;
  rounds: number;
}

export type Round = Record<'ours' | 'idle' | 'typescript', Stages>;

const { megabytes, generations, events, ms, apart, rounds }: Order = JSON.parse(
  process.argv[2] ?? '',
);

// Not zero: only a page that was written to is one of this process's own.
const ballast = Buffer.alloc(megabytes * 1e6, 1);
setMaxConcurrentRuns(generations);
const place = await makeStubPlace(events, ms);
const { stubs, open, remove } = makeVoices(place, { events, ms }, generations);
try {
  const gathering = { stubs, events, open, apart };
  const round = async (): Promise<Round> => {
    const busy = await delays(together(ours, gathering));
    return {
      ours: busy,
      idle: await delays(idle(busy.lasted)),
      typescript: await delays(together(inTypeScript, gathering)),
    };
  };
  // What is loaded and compiled only once belongs to no round.
  await round();
  const all: Round[] = [];
  for (let n = 0; n < rounds; n += 1) all.push(await round());
  if (process.memoryUsage.rss() < ballast.length) throw new Error('the memory is not held');
  console.log(JSON.stringify(all));
} finally {
  remove();
  await place.remove();
}
