// Which file is returned, and that its bytes are unchanged.

import { deflateSync } from 'node:zlib';

import { describe, expect } from 'vitest';

import { assemble, chunk, header, pixels, png } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { HANG, save, say, turn, USAGE } from '../support/stub/steps.js';
import { StubCodex, test } from '../support/stub/stub.js';

const STORED = png({ seed: 1 });
const COPIED = png({ seed: 2 });

describe("completion 'image'", () => {
  test("resolves with the store's file while Codex still talks, and stops it", async ({
    codex,
  }) => {
    const steps = turn(save('store', STORED), HANG);
    expect(await codex.generate(steps)).toEqual(STORED);
  });

  test.for(['ig_0a1b2c.png', 'call_x9.png', 'exec-7d1f.png', 'a new pattern.png', 'no-extension'])(
    'takes the file whatever its name: %s',
    async (name, { codex }) => {
      expect(await codex.generate(turn(save('store', STORED, { name }), HANG))).toEqual(STORED);
    },
  );

  test("takes the store's file where the agent's copy differs", async ({ codex }) => {
    const steps = turn(save('workspace', COPIED), save('store', STORED), HANG);
    const image = await codex.generateDetailed(steps);
    expect(image).toMatchObject({ source: 'store', png: STORED });
  });

  test('takes the copy in the workspace when Codex exits with 0', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('workspace', COPIED)));
    expect(image).toMatchObject({ source: 'workspace', png: COPIED });
  });

  test('is the default', async ({ codex }) => {
    const steps = turn(save('store', STORED), HANG);
    expect(await codex.generate(steps, { completion: null })).toEqual(STORED);
    expect(await codex.generate(steps, { completion: 'image' })).toEqual(STORED);
  });
});

describe("completion 'exit'", () => {
  const completion = 'exit';

  test('waits for Codex though the image exists', async ({ codex }) => {
    let settled = false;
    const call = codex
      .generate(
        turn(save('store', STORED), { do: 'reach', mark: 'saved' }, { do: 'await', gate: 'end' }),
        {
          completion,
        },
      )
      .finally(() => (settled = true));
    await codex.reached('saved');
    expect(settled).toBe(false);
    await codex.open('end');
    expect(await call).toEqual(STORED);
  });

  test('prefers the copy in the workspace', async ({ codex }) => {
    const steps = turn(save('store', STORED), save('workspace', COPIED));
    const image = await codex.generateDetailed(steps, { completion });
    expect(image).toMatchObject({ source: 'workspace', png: COPIED });
  });

  test("takes the store's file where there is no copy", async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('store', STORED)), { completion });
    expect(image).toMatchObject({ source: 'store', png: STORED });
  });

  test("takes the store's file where the copy is broken", async ({ codex }) => {
    const steps = turn(save('store', STORED), save('workspace', COPIED.subarray(0, 40)));
    const image = await codex.generateDetailed(steps, { completion });
    expect(image).toMatchObject({ source: 'store', png: STORED });
  });
});

describe.for(['image', 'exit'] as const)("the image of a thread, completion '%s'", (completion) => {
  test("is not taken from another thread's store", async ({ codex }) => {
    const steps = turn(save('store', STORED, { thread: '0199d2c4-0000-7000-8000-000000000000' }));
    expect(await failure(codex.generate(steps, { completion }))).toMatchObject({
      code: 'NO_IMAGE',
    });
  });

  test('is taken from the workspace without `thread.started`', async ({ codex }) => {
    expect(await codex.generate([save('workspace', COPIED)], { completion })).toEqual(COPIED);
  });

  test('is taken from the store under read-only', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('store', STORED)), {
      completion,
      sandbox: 'read-only',
    });
    expect(image).toMatchObject({ source: 'store', png: STORED });
  });

  test('is not taken from the workspace under read-only', async ({ codex }) => {
    const steps = turn(save('workspace', COPIED));
    const call = codex.generate(steps, { completion, sandbox: 'read-only' });
    expect(await failure(call)).toMatchObject({ code: 'NO_IMAGE' });
  });

  test('is returned though the agent says that it has no tool', async ({ codex }) => {
    const steps = turn(save('store', STORED), say('IMAGE_GEN_UNAVAILABLE'));
    expect(await codex.generate(steps, { completion })).toEqual(STORED);
  });
});

describe('the bytes of an image', () => {
  test.for<[what: string, bytes: Buffer]>([
    ['one pixel', png({ width: 1, height: 1 })],
    ['bytes after IEND', Buffer.concat([png(), Buffer.from('and then some\0\xff', 'latin1')])],
    ['provenance (caBX)', png({ ancillary: [chunk('caBX', Buffer.from('jumb, hash-bound'))] })],
    ['a text chunk', png({ ancillary: [chunk('tEXt', Buffer.from('Comment\0a fox'))] })],
    ['pixels in several chunks', inSeveralChunks()],
    ['640 × 480', png({ width: 640, height: 480 })],
  ])('are those of the file: %s', async ([, bytes], { codex }) => {
    const images = [
      await codex.generate(turn(save('store', bytes), HANG)),
      await codex.generate(turn(save('workspace', bytes))),
      await codex.generate(turn(save('workspace', bytes)), { completion: 'exit' }),
    ];
    expect(images.map((image) => Buffer.compare(image, bytes))).toEqual([0, 0, 0]);
  });

  function inSeveralChunks(): Buffer {
    const data = deflateSync(pixels());
    const cut = data.length >> 1;
    return assemble([
      header(),
      chunk('IDAT', data.subarray(0, cut)),
      chunk('IDAT', Buffer.alloc(0)),
      chunk('IDAT', data.subarray(cut)),
    ]);
  }
});

test('concurrent calls each get their own image', async () => {
  const draw = async (seed: number): Promise<[Buffer, Buffer]> => {
    const picture = png({ seed });
    const codex = await StubCodex.create();
    const image = await codex.generate(turn(save('store', picture), HANG));
    await codex.close();
    return [image, picture];
  };
  for (const [image, picture] of await Promise.all([1, 2, 3, 4, 5, 6].map(draw))) {
    expect(image).toEqual(picture);
  }
});

describe('the detailed result', () => {
  test('has the size, the transparency and the tokens', async ({ codex }) => {
    const bytes = png({ width: 7, height: 5, alpha: true });
    const image = await codex.generateDetailed(turn(save('store', bytes)), { completion: 'exit' });
    const { threadId } = await codex.turn();

    expect(image).toMatchObject({
      png: bytes,
      width: 7,
      height: 5,
      aspect: { requested: '1:1', received: '7:5', matches: false },
      hasAlpha: true,
      threadId,
      source: 'store',
      warnings: [],
      usage: {
        inputTokens: USAGE.input_tokens,
        cachedInputTokens: USAGE.cached_input_tokens,
        outputTokens: USAGE.output_tokens,
        reasoningOutputTokens: USAGE.reasoning_output_tokens,
        totalTokens: USAGE.input_tokens + USAGE.output_tokens,
      },
    });
    expect(Buffer.isBuffer(image.png)).toBe(true);
  });

  test('has the time of each phase', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('store', STORED), HANG));
    const { preflightMs, startMs, imageMs = NaN, stopMs, totalMs } = image.timings;
    for (const time of [preflightMs, startMs, imageMs, stopMs]) {
      expect(time).toBeGreaterThanOrEqual(0);
      expect(time).toBeLessThanOrEqual(totalMs);
    }
  });

  test('does not count the last search for the image as stopping', async ({ codex }) => {
    const [width, height] = [6000, 6000];
    const data = deflateSync(Buffer.alloc(height * (3 * width + 1)), { level: 1 });
    const bytes = assemble([header({ width, height }), chunk('IDAT', data)]);
    let searching = NaN;
    const image = await codex.generateDetailed(turn(save('workspace', bytes)), {}, (_, event) => {
      if (event.phase === 'checking') searching = event.elapsedMs;
    });
    const { stopMs, totalMs } = image.timings;
    expect(stopMs).toBeLessThan(totalMs - searching);
  });

  test('has no alpha where the image has no transparency', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('workspace', png())));
    expect(image).toMatchObject({ width: 3, height: 2, hasAlpha: false });
  });

  test('has no usage where the turn was stopped at its image', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('store', STORED), HANG));
    expect(image).not.toHaveProperty('usage');
  });

  test('lacks the members that are unknown, instead of having undefined', async ({ codex }) => {
    const image = await codex.generateDetailed([save('workspace', COPIED)]);
    expect(image).not.toHaveProperty('threadId');
    expect(Object.values(image)).not.toContain(undefined);
  });
});
