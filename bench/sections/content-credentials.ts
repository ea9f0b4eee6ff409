// The cost of verifying the content credentials of a picture.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { makePng } from '../../__test__/support/image/picture.js';
import { buildExample } from '../../__test__/support/stub/cargo-example.js';
import type { Row, Section } from '../report.js';
import { median } from '../statistics.js';

const RUNS = 51;
const MOST_MS = 5;
/** The size for which the limit holds. */
const BYTES = 2_500_000;

interface Measured {
  algorithm: string;
  /** Milliseconds. */
  runs: { verified: number; hashed: number }[];
}

export async function contentCredentials(): Promise<Section> {
  const measured = await measure();
  return {
    title: 'Content credentials',
    text:
      'A picture of 2.5 MB is signed with roots of the benchmark, as OpenAI signs its own: three ' +
      'certificates, a time stamp with three more. Verifying it checks the sums of all chunks, ' +
      'hashes the file, and verifies all signatures; no pixel is decoded. It is compared with ' +
      'SHA-256 of the same bytes.',
    rows: measured.map(rowOf),
  };
}

function rowOf({ algorithm, runs }: Measured): Row {
  const row: Row = {
    what: `verifying, ${algorithm}`,
    unit: 'ms',
    ours: median(runs.map(({ verified }) => verified)),
    peer: { name: 'hashing', value: median(runs.map(({ hashed }) => hashed)) },
    compared: 'difference',
    limit: { of: 'comparison', most: MOST_MS },
    runs: RUNS,
  };
  if (algorithm === 'ES256') row.headline = 'Verifying content credentials, 2.5 MB';
  return row;
}

async function measure(): Promise<Measured[]> {
  const program = await buildExample('credentials', 'release');
  const directory = await mkdtemp(path.join(tmpdir(), 'codex-image-bench-'));
  try {
    const file = path.join(directory, 'picture.png');
    await writeFile(file, makePng({ width: 1024, height: 1024, minBytes: BYTES }));
    const { stdout } = await promisify(execFile)(program, [file, String(RUNS)]);
    return JSON.parse(stdout) as Measured[];
  } finally {
    await rm(directory, { recursive: true });
  }
}
