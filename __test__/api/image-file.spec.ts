// What may lie where the picture is expected.
//
// Found elsewhere, in tables of a wider subject: empty, JPEG named .png (`image.spec.ts`, `what is not a PNG is named`), signature
// only, truncated, no IEND, bit flip, CRC-repaired corruption, bad Adler, short rows (there: `a damaged PNG is refused`), with caBX
// (`success.spec.ts`, `the bytes are those of the file`).

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deflateSync } from 'node:zlib';

import { describe, expect } from 'vitest';

import { generateInOwnProcess } from '../support/own-process.js';
import { LINUX, WINDOWS } from '../support/platform.js';
import { assemble, chunk, png } from '../support/png.js';
import { failure, save, type Step, test, turn } from '../support/stub.js';

const PICTURE = png({ width: 40, height: 30 });
const PLACES = ['store', 'workspace'] as const;
const MEGABYTE = 2 ** 20;

describe('bomb', () => {
  /** Much less than what would be unpacked. */
  const BOUNDED = 16 * MEGABYTE;

  test('30000×30000: refused with what was found, peak memory bounded', async ({ codex }) => {
    const side = 30_000;
    const header = Buffer.alloc(13);
    header.writeUInt32BE(side, 0);
    header.writeUInt32BE(side, 4);
    header[8] = 1;
    // Every pixel is there, one bit each: it is a valid picture.
    const rows = deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))));
    const bomb = assemble([chunk('IHDR', header), chunk('IDAT', rows)]);

    await codex.order(turn(save('store', bomb)));
    const { error, peakGrowth } = await generateInOwnProcess(codex.options());
    expect(error).toMatchObject({ code: 'INVALID_IMAGE', status: 502 });
    expect(error?.message).toContain('30000 × 30000');
    expect(peakGrowth).toBeLessThanOrEqual(BOUNDED);
  });

  test.for<[type: string, before: string]>([
    ['iCCP', 'profile\0\0'],
    ['zTXt', 'Comment\0\0'],
    ['iTXt', 'Comment\0\x01\0\0\0'],
  ])('%s: refused with what was found, peak memory bounded', async ([type, before], { codex }) => {
    const packed = deflateSync(Buffer.alloc(64 * MEGABYTE, ' '));
    const bomb = png({ ancillary: [chunk(type, Buffer.concat([Buffer.from(before), packed]))] });
    await codex.order(turn(save('store', bomb)));
    const { error, peakGrowth } = await generateInOwnProcess(codex.options());
    expect(error).toMatchObject({ code: 'INVALID_IMAGE', status: 502 });
    expect(error?.message).toContain('a profile or a text in it takes too much memory');
    expect(peakGrowth).toBeLessThanOrEqual(BOUNDED);
  });
});

describe.for(PLACES)('refused without hanging (%s)', (where) => {
  // Windows has no others, and lets not everybody make a symbolic link.
  const kinds = WINDOWS
    ? (['hardlink', 'directory'] as const)
    : (['symlink', 'hardlink', 'fifo', 'directory', 'socket'] as const);
  test.for(kinds)('%s', async (what, { codex }) => {
    const to = path.join(codex.scratch, 'a-picture-of-somebody-else.png');
    await writeFile(to, PICTURE);
    const error = await failure(codex.generate(turn({ do: 'plant', what, where, to })));
    expect(error).toMatchObject({ code: 'INVALID_IMAGE', status: 502 });
    expect(error.message).not.toContain(to);
  });

  test.skipIf(WINDOWS)('symlink to a device', async ({ codex }) => {
    const planted: Step = { do: 'plant', what: 'symlink', where, to: '/dev/zero' };
    expect(await failure(codex.generate(turn(planted)))).toMatchObject({ code: 'INVALID_IMAGE' });
  });

  // By the number that it has on Linux.
  const mayMake = LINUX && process.getuid?.() === 0;
  test.skipIf(!mayMake)('device (takes root to make)', async ({ codex }) => {
    const planted: Step = { do: 'plant', what: 'device', where };
    expect(await failure(codex.generate(turn(planted)))).toMatchObject({ code: 'INVALID_IMAGE' });
  });

  test('sparse 3 GB', async ({ codex }) => {
    const error = await failure(codex.generate(turn({ do: 'plant', what: 'sparse file', where })));
    expect(error).toMatchObject({ code: 'IMAGE_TOO_LARGE', status: 413 });
  });

  // On Windows nobody takes away the directory in which Codex works.
  test.skipIf(WINDOWS && where === 'workspace')('symlinked parent', async ({ codex }) => {
    const to = path.join(codex.scratch, 'elsewhere');
    await mkdir(to);
    const image = path.join(to, 'od-codex-image.png');
    await writeFile(image, PICTURE);
    const planted: Step = { do: 'plant', what: 'linked parent', where, to };
    expect(await failure(codex.generate(turn(planted)))).toMatchObject({ code: 'NO_IMAGE' });
    // Nor is it cleaned up, as the workspace is that was there before.
    expect(await readFile(image)).toEqual(PICTURE);
  });
});

describe.for(PLACES)('still growing when first seen: never partial (%s)', (place) => {
  const large = png({ width: 200, height: 100 });

  test.for(['image', 'exit'] as const)("completion '%s'", async (completion, { codex }) => {
    const orders = turn(save(place, large, { pieces: 20, everyMs: 10 }));
    expect(await codex.generate(orders, { completion })).toEqual(large);
  });

  test('nor when Codex is gone before it is whole', async ({ codex }) => {
    const orders = turn(save(place, large.subarray(0, -20), { pieces: 5 }));
    expect(await failure(codex.generate(orders))).toMatchObject({ code: 'INVALID_IMAGE' });
  });
});
