// The memory that a PNG takes whose chunks inflate to far more than it has bytes.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { createDeflate, deflateSync } from 'node:zlib';

import { assemble, chunk, header, type Picture } from '../../__test__/support/image/small-png.js';
import { type Outcome, recoverInChild } from '../recover-in-child.js';
import type { Section } from '../report.js';
import { median } from '../statistics.js';
import { makeStubEnvironment } from '../stubs.js';

const RUNS = 3;
const MOST_MB_BEYOND_THE_FILE = 16;
const GIGABYTE = 1 << 30;
/** About the largest size that is decoded; all zeros, so that the file is small. */
const LARGEST = { width: 32_768, height: 4096 } satisfies Picture;
const SMALL = { width: 8, height: 8 } satisfies Picture;

/** Fill about 32 MiB. */
const TEXTS = 1_400_000;

interface Bomb {
  what: string;
  headline?: string;
  bytes: Buffer;
  /** The expected end of the call. */
  outcome: Outcome;
}

export async function decompressionBombs(): Promise<Section> {
  const place = await makeStubEnvironment(0, 0);
  try {
    const rows: Section['rows'] = [];
    for (const { what, headline, bytes, outcome } of await makeBombs()) {
      const thread = randomUUID();
      const store = path.join(place.env['CODEX_HOME'] ?? '', 'generated_images', thread);
      await mkdir(store, { recursive: true });
      await writeFile(path.join(store, 'exec-1.png'), bytes);
      const peaks: number[] = [];
      for (let n = 0; n < RUNS; n += 1) {
        peaks.push((await recoverInChild(place.env, thread, outcome)).peakMB);
      }
      rows.push({
        what: `${what}: ${outcome}`,
        ...(headline !== undefined && { headline }),
        unit: 'MB',
        ours: median(peaks),
        peer: { name: 'the file', value: bytes.length / 1e6 },
        compared: 'difference',
        limit: { of: 'comparison', most: MOST_MB_BEYOND_THE_FILE },
        runs: RUNS,
      });
    }
    return {
      title: 'Decompression bombs',
      text:
        '`recoverCodexImage` finds a file in the store whose chunks claim, or inflate to, far ' +
        'more than it has bytes. Peak memory is that of the resident set of a fresh process ' +
        'above its size before the call, the file itself included; the limit is on what exceeds ' +
        'the file. Data is inflated through a small window, and pixels are decoded row by row.',
      rows,
    };
  } finally {
    await place.remove();
  }
}

async function makeBombs(): Promise<Bomb[]> {
  const gigabyte = await deflatedZeros(GIGABYTE);
  const named = Buffer.concat([Buffer.from('x\0\0', 'latin1'), gigabyte]);
  const pixels = (bytes: number): Buffer => chunk('IDAT', deflateSync(Buffer.alloc(bytes)));
  const text = chunk('zTXt', Buffer.concat([Buffer.from('x\0\0', 'latin1'), deflateSync('')]));
  const small = pixels(SMALL.height * (1 + SMALL.width * 3));
  const large = chunk('IDAT', await deflatedZeros(LARGEST.height * (1 + LARGEST.width * 3)));
  return [
    {
      what: '30000 × 30000 pixels in the header',
      bytes: assemble([header({ width: 30_000, height: 30_000 }), small]),
      outcome: 'INVALID_IMAGE',
    },
    {
      what: '1 GB of pixel data for 8 × 8 pixels',
      headline: 'Peak memory for a PNG that inflates to 1 GB',
      bytes: assemble([header(SMALL), chunk('IDAT', gigabyte)]),
      outcome: 'INVALID_IMAGE',
    },
    {
      what: 'a profile (iCCP) of 1 GB',
      bytes: assemble([header(SMALL), chunk('iCCP', named), small]),
      outcome: 'INVALID_IMAGE',
    },
    {
      what: 'a text (zTXt) of 1 GB',
      bytes: assemble([header(SMALL), chunk('zTXt', named), small]),
      outcome: 'INVALID_IMAGE',
    },
    {
      what: `${TEXTS.toLocaleString('en')} empty texts (zTXt)`,
      bytes: assemble([header(SMALL), Buffer.concat(Array<Buffer>(TEXTS).fill(text)), small]),
      outcome: 'INVALID_IMAGE',
    },
    {
      what: '32768 × 4096 pixels, all there',
      bytes: assemble([header(LARGEST), large]),
      outcome: 'accepted',
    },
  ];
}

/** A zlib stream of zeros, which are never all in memory. */
async function deflatedZeros(bytes: number): Promise<Buffer> {
  const piece = Buffer.alloc(1 << 20);
  const deflate = createDeflate();
  const deflated = buffer(deflate);
  for (let left = bytes; left > 0; left -= piece.length) {
    if (!deflate.write(piece.subarray(0, left))) await once(deflate, 'drain');
  }
  deflate.end();
  return deflated;
}
