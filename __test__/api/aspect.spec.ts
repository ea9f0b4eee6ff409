// The result tells the aspect ratio that Codex was asked for, and that of the image.

import { describe, expect } from 'vitest';

import { recoverCodexImage } from '../../index.js';
import { assemble, chunk, header, png } from '../support/image/small-png.js';
import { addToRollout, HANG, save, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';

const WIDE = png({ width: 16, height: 9 });
const LESS_WIDE = png({ width: 30, height: 20 });

const PLACES = ['store', 'workspace', 'rollout'] as const;

function leave(place: (typeof PLACES)[number], bytes: Buffer) {
  return place === 'rollout' ? addToRollout('item', bytes) : save(place, bytes);
}

describe('an image of the aspect ratio that was asked for', () => {
  test.for(PLACES)('has no warning: %s', async (place, { codex }) => {
    const image = await codex.generateDetailed(turn(leave(place, WIDE)), { aspect: '16:9' });
    expect(image).toMatchObject({
      source: place,
      aspect: { requested: '16:9', received: '16:9', matches: true },
      warnings: [],
    });
  });

  test('may differ by 3 per cent', async ({ codex }) => {
    const steps = turn(save('store', png({ width: 103, height: 100 })), HANG);
    const image = await codex.generateDetailed(steps, { aspect: '1:1' });
    expect(image).toMatchObject({
      aspect: { requested: '1:1', received: '103:100', matches: true },
      warnings: [],
    });
  });
});

describe('an image of another aspect ratio', () => {
  test.for(PLACES)('has a warning, and its own size: %s', async (place, { codex }) => {
    const image = await codex.generateDetailed(turn(leave(place, LESS_WIDE)), { aspect: '16:9' });
    expect(image).toMatchObject({
      source: place,
      png: LESS_WIDE,
      width: 30,
      height: 20,
      aspect: { requested: '16:9', received: '3:2', matches: false },
    });
    expect(image.warnings).toEqual([
      'The picture has 30 × 20 pixels, which is not the aspect ratio 16:9 that Codex was asked for.',
    ]);
  });

  test('has no warning if none was named, but the result tells it', async ({ codex }) => {
    const image = await codex.generateDetailed(turn(save('store', LESS_WIDE), HANG));
    expect(image).toMatchObject({
      aspect: { requested: '1:1', received: '3:2', matches: false },
      warnings: [],
    });
  });
});

test('an image without a size has no aspect ratio', async ({ codex }) => {
  const damaged = assemble([header({ width: 0, height: 0 }), chunk('IDAT', Buffer.alloc(128, 7))]);
  const options = { aspect: '16:9', validation: 'signature' } as const;
  const image = await codex.generateDetailed(turn(save('workspace', damaged)), options);
  expect(image).toMatchObject({ width: 0, height: 0, warnings: [] });
  expect(image).not.toHaveProperty('aspect');
});

test('a recovery does not know what was asked for', async ({ codex }) => {
  const drawn = await codex.generateDetailed(turn(save('store', LESS_WIDE), HANG), {
    aspect: '1:1',
  });
  const { threadId = '' } = drawn;
  const again = await recoverCodexImage({ threadId, env: codex.env });
  expect(again).toMatchObject({ png: LESS_WIDE, warnings: [] });
  expect(again).not.toHaveProperty('aspect');
});
