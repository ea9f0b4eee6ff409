// Makes many calls of the mixture several times, in a process with nothing else, and prints what
// they leave.

import { setMaxConcurrentRuns } from '../../../index.js';
import { type Footprint, footprint, heldSince } from '../process/footprint.js';
import { Mixture, type Round } from './mixed-calls.js';

export interface Report {
  warmUp: Round;
  rounds: Round[];
  /** What this process holds more than after the warm-up. */
  held: Partial<Footprint>;
  temporary: string[];
  processes: string[];
  /** By how much the resident set grew in each round after the warm-up. */
  grownMB: number[];
}

const ROUNDS = 2;
const [calls = NaN] = process.argv.slice(2).map(Number);

setMaxConcurrentRuns(16);
const mixture = await Mixture.create();
try {
  const warmUp = await mixture.round(calls);
  const before = footprint();
  const residents = [residentMB()];
  const rounds: Round[] = [];
  while (rounds.length < ROUNDS) {
    // oxlint-disable-next-line no-await-in-loop -- one after another is what is measured.
    rounds.push(await mixture.round(calls));
    residents.push(residentMB());
  }
  const report: Report = {
    warmUp,
    rounds,
    held: await heldSince(before),
    temporary: mixture.temporary(),
    processes: mixture.processes(),
    grownMB: residents.slice(1).map((resident, n) => resident - (residents[n] ?? NaN)),
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
