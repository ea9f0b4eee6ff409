// The image is returned when it exists, not when the agent has finished: the backend thinks 1 s,
// draws 3 s and then talks 6 s. `npm run bench` measures how long that takes.

import { expect } from 'vitest';

import { draw, talk, think } from '../support/loopback/backend.js';
import { makePng } from '../support/image/picture.js';
import { test } from '../support/real/real.js';
import { CODE, DIRECT } from '../support/real/variants.js';
import { listener } from '../support/call/outcome.js';

const TALK_MS = 6000;
/** As large as a real one, and made before: the backend shares this thread. */
const PICTURE = makePng({ width: 1254, height: 1254, minBytes: 3_000_000 });
const SCRIPT = [think(1000), draw({ ms: 3000, image: PICTURE }), talk(TALK_MS)];

test.for([CODE, DIRECT])('the image ends the turn: $name', async (variant, { real }) => {
  const { events, onProgress } = listener();
  const image = await real.generate(variant, SCRIPT, {}, onProgress);
  const settledAt = performance.now();
  await real.expectNothingLeft();
  await real.caughtUp();

  expect(Buffer.compare(image, PICTURE)).toBe(0);
  // The CLI never returned to the model with the image.
  expect(real.modelCalls()).toHaveLength(1);
  expect(real.imageCalls()).toHaveLength(1);
  expect(settledAt - (real.backend.imageAnsweredAt ?? NaN)).toBeLessThan(TALK_MS);
  expect(events.map(({ phase }) => phase)).not.toContain('message');
});
