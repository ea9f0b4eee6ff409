// `npm run soak -- [--minutes 30]`: the mixture of the load test, in one process. Writes SOAK.md,
// and fails if a limit is broken or a call has an unexpected outcome. In less than about twenty
// minutes the noise is larger than the limits.

import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { setMaxConcurrentRuns } from '../index.js';
import { footprint } from '../__test__/support/process/footprint.js';
import { Mixture } from '../__test__/support/load/mixed-calls.js';
import { circumstances, formatted } from './report.js';
import { trend } from './statistics.js';

const FILE = fileURLToPath(new URL('../SOAK.md', import.meta.url));
const CONCURRENCY = 16;
/** Started at once in each round. */
const CALLS = 200;
const SAMPLE_EVERY_MS = 30_000;
/** Pause before a sample: longer than tokio keeps an idle thread, which is 10 s. */
const REST_MS = 12_000;
/** Share of the time in which threads, caches and the allocators' pools may still grow. */
const WARM_UP = 1 / 3;

interface Sample {
  minutes: number;
  calls: number;
  rss: number;
  heap: number;
  descriptors: number;
  threads: number;
  children: number;
  temporary: number;
}

/**
 * On the growth per 1,000 calls after the warm-up, with twice its standard error, or on every
 * sample after it.
 */
interface Limit {
  of: 'growth' | 'samples';
  most: number;
}

interface Figure {
  key: Exclude<keyof Sample, 'minutes' | 'calls'>;
  what: string;
  unit?: 'MB';
  limit: Limit;
}

const FIGURES: Figure[] = [
  { key: 'rss', what: 'resident set', unit: 'MB', limit: { of: 'growth', most: 0.15 } },
  { key: 'heap', what: 'JavaScript heap in use', unit: 'MB', limit: { of: 'growth', most: 0.02 } },
  { key: 'descriptors', what: 'open descriptors', limit: { of: 'growth', most: 0 } },
  { key: 'threads', what: 'threads', limit: { of: 'growth', most: 0 } },
  { key: 'children', what: 'children', limit: { of: 'growth', most: 0 } },
  { key: 'temporary', what: 'temporary files', limit: { of: 'samples', most: 0 } },
];

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new RangeError(`--minutes ${values.minutes}`);

const where = circumstances();
const { samples, ends, wrong } = await soak(minutes);
const verdicts = FIGURES.map((figure) => check(figure, samples));
const report = await formatted(toMarkdown(), FILE);
await writeFile(FILE, report);
console.log(report);
for (const outcome of wrong.slice(0, 20)) console.error(outcome);
const broken = verdicts.filter((verdict) => !verdict.kept);
for (const { what } of broken) console.error(`A limit is broken: ${what}`);
process.exitCode = wrong.length === 0 && broken.length === 0 ? 0 : 1;

async function soak(
  duration: number,
): Promise<{ samples: Sample[]; ends: Map<string, number>; wrong: string[] }> {
  setMaxConcurrentRuns(CONCURRENCY);
  const mixture = await Mixture.create();
  const began = performance.now();
  const took: Sample[] = [];
  const all = new Map<string, number>();
  const unexpected: string[] = [];
  let calls = 0;
  const sample = async (): Promise<void> => {
    if (performance.now() - began < took.length * SAMPLE_EVERY_MS) return;
    collect();
    await sleep(REST_MS);
    collect();
    took.push({
      minutes: (performance.now() - began) / 60_000,
      calls,
      ...memory(),
      ...counts(),
      temporary: mixture.temporary().length,
    });
  };
  try {
    await sample();
    while (performance.now() - began < duration * 60_000) {
      const round = await mixture.round(CALLS);
      calls += CALLS;
      for (const [end, count] of Object.entries(round.ends)) {
        all.set(end, (all.get(end) ?? 0) + count);
      }
      unexpected.push(...round.wrong);
      await sample();
    }
    unexpected.push(...mixture.processes().map((command) => `still running: ${command}`));
    return { samples: took, ends: all, wrong: unexpected };
  } finally {
    await mixture.close();
  }
}

function collect(): void {
  if (gc === undefined) throw new Error('--expose-gc is missing');
  gc();
}

function memory(): Pick<Sample, 'rss' | 'heap'> {
  const { rss, heapUsed } = process.memoryUsage();
  return { rss: rss / 1e6, heap: heapUsed / 1e6 };
}

function counts(): Pick<Sample, 'descriptors' | 'threads' | 'children'> {
  const { descriptors, children } = footprint();
  return { descriptors, children, threads: readdirSync('/proc/self/task').length };
}

interface Verdict {
  what: string;
  cells: string[];
  kept: boolean;
}

function check({ key, what, unit, limit }: Figure, all: readonly Sample[]): Verdict {
  const [start, end] = [all.at(0), all.at(-1)];
  const after = all.filter((sample) => sample.minutes >= minutes * WARM_UP);
  const [warm] = after;
  if (!start || !end || !warm) throw new Error('there are too few samples');

  const growth = trend(after.map((sample) => ({ x: sample.calls / 1000, y: sample[key] })));
  const amount = (value: number): string =>
    `${number(value)}${unit === undefined ? '' : ` ${unit}`}`;
  const checked = {
    growth: { text: 'growth', value: growth.slope + 2 * growth.error },
    samples: { text: 'of any', value: Math.max(...after.map((sample) => sample[key])) },
  }[limit.of];
  // Not `value > most`: NaN breaks a limit.
  const kept = checked.value <= limit.most;
  const cells = [
    what,
    ...[start, warm, end].map((sample) => amount(sample[key])),
    `${amount(growth.slope)} ± ${amount(2 * growth.error)}`,
    `${checked.text} ≤ ${amount(limit.most)}, ${kept ? 'kept' : '**broken**'}`,
  ];
  return { what, cells, kept };
}

function toMarkdown(): string {
  const end = samples.at(-1);
  const table = [
    '| what | start | after warm-up | end | growth per 1,000 calls | limit |',
    '| - | - | - | - | - | - |',
    ...verdicts.map(({ cells }) => `| ${cells.join(' | ')} |`),
  ];
  const counted = [...ends].map(([name, count]) => `| ${name} | ${count.toLocaleString('en')} |`);
  return [
    '<!-- Generated by `npm run soak`: do not edit. -->',
    '# Soak',
    'Written by `npm run soak`, which fails if a limit is broken or a call has an unexpected ' +
      `outcome. For ${number(minutes)} minutes one process started ${CALLS} calls at once, again ` +
      `and again. ${CONCURRENCY} of them ran at a time, with a stub of Codex that takes a few ` +
      'milliseconds: 70 % succeed, each with its own image of 68 KB, 10 % are aborted, 10 % time ' +
      'out, and 10 % fail.',
    `Samples are taken every ${SAMPLE_EVERY_MS / 1000} s, ${REST_MS / 1000} s after the last ` +
      'call, when idle threads have ended, and after a garbage collection. The growth is the ' +
      'slope of a least-squares line through the samples after the first third of the time, with ' +
      'twice its standard error. Their sum must be within the limit.',
    '`malloc` has one arena and returns free memory at its end at once (`MALLOC_ARENA_MAX=1`, ' +
      '`MALLOC_TRIM_THRESHOLD_=131072`). Otherwise glibc gives threads arenas of their own, up ' +
      'to eight for each processor, and free memory in one of them is of no use to a thread of ' +
      'another. That alone lets the resident set grow for hours (by 0.23 MB per 1,000 calls in a ' +
      'run of half an hour, with nothing else growing), and hides a leak.',
    where,
    '## Verdict',
    `${end?.calls.toLocaleString('en')} calls, ${samples.length} samples. ` +
      `Calls with an unexpected outcome: ${wrong.length}.`,
    table.join('\n'),
    '## How the calls ended',
    ['| end | calls |', '| - | - |', ...counted].join('\n'),
  ].join('\n\n');
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}
