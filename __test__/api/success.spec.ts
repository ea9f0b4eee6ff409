// Where the picture is taken from, and that its bytes arrive untouched.

import { deflateSync } from 'node:zlib';

import { describe, expect } from 'vitest';

import { assemble, chunk, header, pixels, png } from '../support/png.js';
import { failure, save, say, StubCodex, test, turn, USAGE } from '../support/stub.js';

const STORED = png({ seed: 1 });
const COPIED = png({ seed: 2 });

describe("completion 'image'", () => {
  test("resolves with the store's file while Codex still talks, and stops it", async ({
    codex,
  }) => {
    const orders = turn(save('store', STORED), { do: 'hang' });
    expect(await codex.generate(orders)).toEqual(STORED);
  });

  test.for(['ig_0a1b2c.png', 'call_x9.png', 'exec-7d1f.png', 'a new pattern.png', 'no-extension'])(
    'takes the file whatever its name: %s',
    async (name, { codex }) => {
      expect(await codex.generate(turn(save('store', STORED, { name }), { do: 'hang' }))).toEqual(
        STORED,
      );
    },
  );

  test("takes the store's file where the agent's copy differs", async ({ codex }) => {
    const orders = turn(save('workspace', COPIED), save('store', STORED), { do: 'hang' });
    const image = await codex.generateDetailed(orders);
    expect(image).toMatchObject({ source: 'store', png: STORED });
  });

  test('takes the copy at the handed path when Codex exits with 0', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('workspace', COPIED)));
    expect(image).toMatchObject({ source: 'workspace', png: COPIED });
  });

  test('is the default', async ({ codex }) => {
    const orders = turn(save('store', STORED), { do: 'hang' });
    expect(await codex.generate(orders, { completion: null })).toEqual(STORED);
    expect(await codex.generate(orders, { completion: 'image' })).toEqual(STORED);
  });
});

describe("completion 'exit'", () => {
  const completion = 'exit';

  test('waits for Codex, though the picture is there', async ({ codex }) => {
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

  test('the copy at the handed path wins', async ({ codex }) => {
    const orders = turn(save('store', STORED), save('workspace', COPIED));
    const image = await codex.generateDetailed(orders, { completion });
    expect(image).toMatchObject({ source: 'workspace', png: COPIED });
  });

  test('the store is the rescue where there is no copy', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('store', STORED)), { completion });
    expect(image).toMatchObject({ source: 'store', png: STORED });
  });

  test('the store is the rescue where the copy is broken', async ({ codex }) => {
    const orders = turn(save('store', STORED), save('workspace', COPIED.subarray(0, 40)));
    const image = await codex.generateDetailed(orders, { completion });
    expect(image).toMatchObject({ source: 'store', png: STORED });
  });
});

describe.for(['image', 'exit'] as const)("whose picture it is, completion '%s'", (completion) => {
  test("another thread's store is not looked at", async ({ codex }) => {
    const orders = turn(save('store', STORED, { thread: '0199d2c4-0000-7000-8000-000000000000' }));
    expect(await failure(codex.generate(orders, { completion }))).toMatchObject({
      code: 'NO_IMAGE',
    });
  });

  test('without `thread.started` only the handed path counts', async ({ codex }) => {
    expect(await codex.generate([save('workspace', COPIED)], { completion })).toEqual(COPIED);
  });

  test('read-only: the store counts', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('store', STORED)), {
      completion,
      sandbox: 'read-only',
    });
    expect(image).toMatchObject({ source: 'store', png: STORED });
  });

  test('read-only: a file at the handed path does not', async ({ codex }) => {
    const orders = turn(save('workspace', COPIED));
    const call = codex.generate(orders, { completion, sandbox: 'read-only' });
    expect(await failure(call)).toMatchObject({ code: 'NO_IMAGE' });
  });

  test('a sentence about a missing tool does not undo a picture', async ({ codex }) => {
    const orders = turn(save('store', STORED), say('IMAGE_GEN_UNAVAILABLE'));
    expect(await codex.generate(orders, { completion })).toEqual(STORED);
  });
});

describe('the bytes are those of the file', () => {
  test.for<[what: string, bytes: Buffer]>([
    ['one pixel', png({ width: 1, height: 1 })],
    ['bytes after IEND', Buffer.concat([png(), Buffer.from('and then some\0\xff', 'latin1')])],
    ['provenance (caBX)', png({ ancillary: [chunk('caBX', Buffer.from('jumb, hash-bound'))] })],
    ['a text chunk', png({ ancillary: [chunk('tEXt', Buffer.from('Comment\0a fox'))] })],
    ['pixels in several chunks', inSeveralChunks()],
    ['640 × 480', png({ width: 640, height: 480 })],
  ])('%s', async ([, bytes], { codex }) => {
    const images = [
      await codex.generate(turn(save('store', bytes), { do: 'hang' })),
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

test('calls at the same time each get their own picture', async () => {
  const draw = async (seed: number): Promise<[Buffer, Buffer]> => {
    const picture = png({ seed });
    const codex = await StubCodex.create();
    const image = await codex.generate(turn(save('store', picture), { do: 'hang' }));
    await codex.close();
    return [image, picture];
  };
  for (const [image, picture] of await Promise.all([1, 2, 3, 4, 5, 6].map(draw))) {
    expect(image).toEqual(picture);
  }
});

describe('the detailed result', () => {
  test('tells what is in the picture and what it cost', async ({ codex }) => {
    const bytes = png({ width: 7, height: 5, alpha: true });
    const image = await codex.generateDetailed(turn(save('store', bytes)), { completion: 'exit' });
    const { threadId } = await codex.turn();

    expect(image).toMatchObject({
      png: bytes,
      width: 7,
      height: 5,
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

  test('tells where the time went', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('store', STORED), { do: 'hang' }));
    const { preflightMs, startMs, imageMs = NaN, stopMs, totalMs } = image.timings;
    for (const time of [preflightMs, startMs, imageMs, stopMs]) {
      expect(time).toBeGreaterThanOrEqual(0);
      expect(time).toBeLessThanOrEqual(totalMs);
    }
  });

  test('a picture without transparency says so', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('workspace', png())));
    expect(image).toMatchObject({ width: 3, height: 2, hasAlpha: false });
  });

  test('a turn that was stopped at its picture has no usage', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('store', STORED), { do: 'hang' }));
    expect(image).not.toHaveProperty('usage');
  });

  test('what is not known is absent, not undefined', async ({ codex }) => {
    const image = await codex.generateDetailed([save('workspace', COPIED)]);
    expect(image).not.toHaveProperty('threadId');
    expect(Object.values(image)).not.toContain(undefined);
  });
});
