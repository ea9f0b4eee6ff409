// The cost of checking and decoding a PNG, by its size.

import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { makePng } from '../../__test__/support/image/picture.js';
import { recoverInChild, type Recovered } from '../recover-in-child.js';
import type { Row, Section } from '../report.js';
import { median } from '../statistics.js';
import { makeStubEnvironment } from '../stubs.js';

const RUNS = 5;
/** Noise, so that the pixels take as much memory as the file. */
const SIZES = [
  { width: 900, height: 750 },
  { width: 1800, height: 1500 },
  { width: 3600, height: 3000 },
];

export async function pngCheck(): Promise<Section> {
  const place = await makeStubEnvironment(0, 0);
  try {
    const measured: { bytes: number; runs: Recovered[] }[] = [];
    for (const { width, height } of SIZES) {
      const png = makePng({ width, height, minBytes: width * height * 3 });
      const thread = randomUUID();
      const store = path.join(place.env['CODEX_HOME'] ?? '', 'generated_images', thread);
      await mkdir(store, { recursive: true });
      await writeFile(path.join(store, 'exec-1.png'), png);
      const runs: Recovered[] = [];
      for (let run = 0; run < RUNS; run += 1) runs.push(await recoverInChild(place.env, thread));
      measured.push({ bytes: png.length, runs });
    }
    return {
      title: 'Checking a PNG',
      text:
        '`recoverCodexImage` reads a file of noise from the store of a thread, checks it chunk ' +
        'by chunk, decodes it whole and returns it, in a fresh process each time. The time per ' +
        'megabyte is compared with that of the smallest file. The memory is the peak of the ' +
        'resident set above its size before the call, the returned buffer included, and is ' +
        'compared with the file. The delay is the longest of the event loop during the call.',
      rows: measured.flatMap((one) => rowsOf(one, measured[0] ?? one)),
    };
  } finally {
    await place.remove();
  }
}

type Measured = { bytes: number; runs: Recovered[] };

function rowsOf({ bytes, runs }: Measured, least: Measured): Row[] {
  const size = `${(bytes / 1e6).toFixed(0)} MB`;
  const middle = (of: keyof Omit<Recovered, 'outcome'>, from = runs): number =>
    median(from.map((run) => run[of]));
  const perMegabyte = (one: Measured): number => middle('ms', one.runs) / (one.bytes / 1e6);
  return [
    {
      what: `${size}: time for a megabyte`,
      unit: 'ms',
      ours: perMegabyte({ bytes, runs }),
      peer: { name: 'the smallest', value: perMegabyte(least) },
      compared: 'ratio',
      limit: { of: 'comparison', most: 1.5 },
      runs: RUNS,
    },
    {
      what: `${size}: peak memory`,
      unit: 'MB',
      ours: middle('peakMB'),
      peer: { name: 'the file', value: bytes / 1e6 },
      compared: 'ratio',
      limit: { of: 'comparison', most: 2 },
      runs: RUNS,
    },
    {
      what: `${size}: event-loop delay, max`,
      unit: 'ms',
      ours: middle('delayMs'),
      peer: { name: 'the whole call', value: middle('ms') },
      compared: 'ratio',
      runs: RUNS,
    },
  ];
}
