// Transparent backgrounds: requested in the prompt, and detected in the pixels.

import { deflateSync } from 'node:zlib';

import { describe, expect } from 'vitest';

import { assemble, chunk, header, pixels, png } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { addToRollout, save, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';

const OPAQUE = png();
const TRANSPARENT = png({ alpha: true });

/** RGBA with opaque pixels, except for `alpha` in the last one. */
function rgba(alpha: number): Buffer {
  const size = { width: 4, height: 3, alpha: true };
  const rows = pixels(size);
  const row = 1 + 4 * size.width;
  for (let at = 0; at < rows.length; at += 1) if (at % row && (at % row) % 4 === 0) rows[at] = 255;
  rows[rows.length - 1] = alpha;
  return assemble([header(size), chunk('IDAT', deflateSync(rows))]);
}

/** One grey pixel, with or without a transparent colour. */
function grey(...transparency: Buffer[]): Buffer {
  const data = Buffer.from('00000001000000010800000000', 'hex');
  const pixel = chunk('IDAT', deflateSync(Buffer.from([0, 7])));
  return assemble([chunk('IHDR', data), ...transparency, pixel]);
}

const SEVEN_IS_TRANSPARENT = chunk('tRNS', Buffer.from([0, 7]));
const EIGHT_IS_TRANSPARENT = chunk('tRNS', Buffer.from([0, 8]));

describe('hasAlpha', () => {
  test.for<[what: string, bytes: Buffer, hasAlpha: boolean]>([
    ['RGB', OPAQUE, false],
    ['RGBA', TRANSPARENT, true],
    ['RGBA, all opaque', rgba(255), false],
    ['RGBA, one pixel almost opaque', rgba(254), true],
    ['RGBA, one pixel transparent', rgba(0), true],
    ['grey', grey(), false],
    ['grey with a transparent colour', grey(SEVEN_IS_TRANSPARENT), true],
    ['grey with a transparent colour that does not occur', grey(EIGHT_IS_TRANSPARENT), false],
  ])('is read from the pixels: %s', async ([, bytes, hasAlpha], { codex }) => {
    for (const transparent of [false, true]) {
      const image = await codex.generateDetailed(turn(save('store', bytes)), { transparent });
      expect(image).toMatchObject({ png: bytes, hasAlpha });
    }
  });
});

describe('the warning about transparency', () => {
  const PLACES = [
    ['store', save('store', OPAQUE), save('store', TRANSPARENT)],
    ['workspace', save('workspace', OPAQUE), save('workspace', TRANSPARENT)],
    ['rollout', addToRollout('item', OPAQUE), addToRollout('item', TRANSPARENT)],
  ] as const;

  test.for(PLACES)(
    'is given where transparency is missing: %s',
    async ([source, opaque], { codex }) => {
      const image = await codex.generateDetailed(turn(opaque), { transparent: true });
      expect(image).toMatchObject({ png: OPAQUE, source, hasAlpha: false });
      expect(image.warnings).toEqual([expect.stringMatching(/transparent/)]);
    },
  );

  test("is given with validation 'signature' for what can be decoded", async ({ codex }) => {
    const options = { transparent: true, validation: 'signature' } as const;
    const size = { width: 20, height: 10 };
    const opaque = turn(save('workspace', png(size)));
    expect(await codex.generateDetailed(opaque, options)).toMatchObject({
      ...size,
      hasAlpha: false,
      warnings: [expect.stringMatching(/transparent/)],
    });
    const transparent = turn(save('workspace', png({ ...size, alpha: true })));
    expect(await codex.generateDetailed(transparent, options)).toMatchObject({
      ...size,
      hasAlpha: true,
      warnings: [],
    });
    // What cannot be decoded is unknown.
    const broken = assemble([header(), chunk('IDAT', Buffer.alloc(128, 7))]);
    expect(await codex.generateDetailed(turn(save('workspace', broken)), options)).toMatchObject({
      width: 3,
      height: 2,
      hasAlpha: false,
      warnings: [],
    });
  });

  test.for(PLACES)(
    'is absent where the image is transparent: %s',
    async ([source, , transparent], { codex }) => {
      const image = await codex.generateDetailed(turn(transparent), { transparent: true });
      expect(image).toMatchObject({ source, hasAlpha: true, warnings: [] });
    },
  );

  test.for([false, null, undefined])(
    'is absent where transparency was not requested: %s',
    async (transparent, { codex }) => {
      for (const bytes of [OPAQUE, TRANSPARENT]) {
        const steps = turn(save('store', bytes));
        const image = await codex.generateDetailed(steps, { transparent });
        expect(image.warnings).toEqual([]);
      }
    },
  );

  test('does not change what generateCodexImage returns', async ({ codex }) => {
    const steps = turn(save('store', OPAQUE));
    expect(await codex.generate(steps, { transparent: true })).toEqual(OPAQUE);
  });

  test('does not replace a failure', async ({ codex }) => {
    const error = await failure(codex.generate(turn(), { transparent: true }));
    expect(error).toMatchObject({ code: 'NO_IMAGE' });
  });
});

describe('the prompt', () => {
  test.for(['workspace-write', 'read-only'] as const)(
    'asks for a transparent background in the sandbox %s',
    async (sandbox, { codex }) => {
      await codex.generate(turn(save('store', TRANSPARENT)), { transparent: true, sandbox });
      const { stdin = '' } = await codex.turn();
      expect(stdin).toMatch(/transparent background/);
      expect(stdin).toContain('transparent_background');
    },
  );

  test('does not mention transparency unless it is requested', async ({ codex }) => {
    await codex.generate(turn(save('store', OPAQUE)), { transparent: false });
    expect((await codex.turn()).stdin).not.toMatch(/transparen|alpha/i);
  });

  test("does not change the user's text", async ({ codex }) => {
    const prompt = 'a fox on an opaque background';
    await codex.generate(turn(save('store', TRANSPARENT)), { prompt, transparent: true });
    expect((await codex.turn()).stdin).toContain(`\n${prompt}\n`);
  });
});
