// What may be in the place of the image: no regular file, a growing file, a decompression bomb.
// `image-bytes` has what depends on the bytes alone.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deflateSync } from 'node:zlib';

import { describe, expect } from 'vitest';

import { generateInOwnProcess } from '../support/process/own-process.js';
import { LINUX, WINDOWS } from '../support/platform.js';
import { assemble, chunk, png } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { save, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

const PICTURE = png({ width: 40, height: 30 });
const PLACES = ['store', 'workspace'] as const;
const MEGABYTE = 2 ** 20;

describe('a decompression bomb', () => {
  /** Much less than the inflated data. */
  const BOUNDED = 16 * MEGABYTE;

  test('of 30000 × 30000 pixels is refused in bounded memory', async ({ codex }) => {
    const side = 30_000;
    const header = Buffer.alloc(13);
    header.writeUInt32BE(side, 0);
    header.writeUInt32BE(side, 4);
    header[8] = 1;
    // All pixels are there, one bit each: the image is valid.
    const rows = deflateSync(Buffer.alloc(side * (1 + Math.ceil(side / 8))));
    const bomb = assemble([chunk('IHDR', header), chunk('IDAT', rows)]);

    await codex.play(turn(save('store', bomb)));
    const { error, peakGrowth } = await generateInOwnProcess(codex.options());
    expect(error).toMatchObject({ code: 'INVALID_IMAGE', status: 502 });
    expect(error?.message).toContain('30000 × 30000');
    expect(peakGrowth).toBeLessThanOrEqual(BOUNDED);
  });

  test.for<[type: string, before: string]>([
    ['iCCP', 'profile\0\0'],
    ['zTXt', 'Comment\0\0'],
    ['iTXt', 'Comment\0\x01\0\0\0'],
  ])('in %s is refused in bounded memory', async ([type, before], { codex }) => {
    const packed = deflateSync(Buffer.alloc(64 * MEGABYTE, ' '));
    const bomb = png({ ancillary: [chunk(type, Buffer.concat([Buffer.from(before), packed]))] });
    await codex.play(turn(save('store', bomb)));
    const { error, peakGrowth } = await generateInOwnProcess(codex.options());
    expect(error).toMatchObject({ code: 'INVALID_IMAGE', status: 502 });
    expect(error?.message).toContain('a profile or a text in it takes too much memory');
    expect(peakGrowth).toBeLessThanOrEqual(BOUNDED);
  });
});

describe.for(PLACES)('an entry that is no plain file (%s)', (where) => {
  // Windows has no other kinds, and creates symbolic links only for some users.
  const kinds = WINDOWS
    ? (['hardlink', 'directory'] as const)
    : (['symlink', 'hardlink', 'fifo', 'directory', 'socket'] as const);
  test.for(kinds)('is refused without hanging: %s', async (what, { codex }) => {
    const to = path.join(codex.scratch, 'a-foreign-picture.png');
    await writeFile(to, PICTURE);
    const error = await failure(codex.generate(turn({ do: 'plant', what, where, to })));
    expect(error).toMatchObject({ code: 'INVALID_IMAGE', status: 502 });
    expect(error.message).not.toContain(to);
  });

  test.skipIf(WINDOWS)('is refused without hanging: symlink to a device', async ({ codex }) => {
    const planted: Step = { do: 'plant', what: 'symlink', where, to: '/dev/zero' };
    expect(await failure(codex.generate(turn(planted)))).toMatchObject({ code: 'INVALID_IMAGE' });
  });

  // The device number is Linux's.
  const mayMake = LINUX && process.getuid?.() === 0;
  test.skipIf(!mayMake)(
    'is refused without hanging: device (takes root to make)',
    async ({ codex }) => {
      const planted: Step = { do: 'plant', what: 'device', where };
      expect(await failure(codex.generate(turn(planted)))).toMatchObject({ code: 'INVALID_IMAGE' });
    },
  );

  test('is refused without hanging: sparse file of 3 GB', async ({ codex }) => {
    const error = await failure(codex.generate(turn({ do: 'plant', what: 'sparse file', where })));
    expect(error).toMatchObject({ code: 'IMAGE_TOO_LARGE', status: 413 });
  });

  // On Windows the directory in which Codex works cannot be removed.
  test.skipIf(WINDOWS && where === 'workspace')(
    'is refused without hanging: directory that is a symlink',
    async ({ codex }) => {
      const to = path.join(codex.scratch, 'elsewhere');
      await mkdir(to);
      const image = path.join(to, 'od-codex-image.png');
      await writeFile(image, PICTURE);
      const planted: Step = { do: 'plant', what: 'linked parent', where, to };
      expect(await failure(codex.generate(turn(planted)))).toMatchObject({ code: 'NO_IMAGE' });
      // The clean-up does not remove it through the link.
      expect(await readFile(image)).toEqual(PICTURE);
    },
  );
});

describe.for(PLACES)('a file that still grows when it is first seen (%s)', (place) => {
  const large = png({ width: 200, height: 100 });

  test.for(['image', 'exit'] as const)(
    "is returned as a whole, completion '%s'",
    async (completion, { codex }) => {
      const steps = turn(save(place, large, { pieces: 20, everyMs: 10 }));
      expect(await codex.generate(steps, { completion })).toEqual(large);
    },
  );

  test('is refused if Codex ends before it is whole', async ({ codex }) => {
    const steps = turn(save(place, large.subarray(0, -20), { pieces: 5 }));
    expect(await failure(codex.generate(steps))).toMatchObject({ code: 'INVALID_IMAGE' });
  });
});
