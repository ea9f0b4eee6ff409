// A process of its own that holds nothing but the mixture, makes so many calls twice, and says what is left of the second time.

import { setMaxConcurrentRuns } from '../../index.js';
import { type Footprint, footprint, heldSince } from './footprint.js';
import { Mixture, type Round } from './mixture.js';

export interface Report {
  warmUp: Round;
  round: Round;
  /** What this process holds that it did not hold after the warm-up. */
  held: Partial<Footprint>;
  temporary: string[];
  processes: string[];
  /** By which the resident set has grown. */
  grownMB: number;
}

const [calls = NaN] = process.argv.slice(2).map(Number);

setMaxConcurrentRuns(16);
const mixture = await Mixture.create();
try {
  const warmUp = await mixture.round(calls);
  const before = { megabytes: residentMB(), ...footprint() };
  const round = await mixture.round(calls);
  const report: Report = {
    warmUp,
    round,
    held: await heldSince(before),
    temporary: mixture.temporary(),
    processes: mixture.processes(),
    grownMB: residentMB() - before.megabytes,
  };
  console.log(JSON.stringify(report));
} finally {
  await mixture.close();
}

function residentMB(): number {
  if (gc === undefined) throw new Error('--expose-gc is missing');
  gc();
  return process.memoryUsage.rss() / 1e6;
}
