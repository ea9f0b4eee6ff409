// The picture as a real terminal shows it, by screenshot: kitty on a display that nobody sees.

import { describe, expect } from 'vitest';

import { CLI, test } from '../support/command.js';
import { inKitty, kittyIsMissing, type Screenshot } from '../support/kitty.js';
import { makePng } from '../support/picture.js';
import { save, turn } from '../support/stub.js';

const SIDE = 1254;
const FRAME = 100;
const PICTURE = makePng({
  width: SIDE,
  height: SIDE,
  paint: (x, y) =>
    Math.min(x, y, SIDE - 1 - x, SIDE - 1 - y) < FRAME ? [0, 255, 0] : [255, 0, 255],
});

const isFrame = ([red, green, blue]: number[]) => red === 0 && green === 255 && blue === 0;
const isInside = ([red, green, blue]: number[]) => red === 255 && green === 0 && blue === 255;

interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** The smallest box around all pixels of a colour. */
function boxAround(screenshot: Screenshot, isOfIt: (pixel: number[]) => boolean): Box | undefined {
  const box = { left: Infinity, right: -1, top: Infinity, bottom: -1 };
  for (let y = 0; y < screenshot.height; y += 1) {
    for (let x = 0; x < screenshot.width; x += 1) {
      if (!isOfIt(screenshot.at(x, y))) continue;
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y);
    }
  }
  return box.right < 0 ? undefined : box;
}

const widthOf = ({ left, right }: Box) => right - left + 1;
const heightOf = ({ top, bottom }: Box) => bottom - top + 1;

const missing = kittyIsMissing();

describe.skipIf(missing !== undefined)(`in kitty${missing ? ` (${missing})` : ''}`, () => {
  test.for<[cells: string, window: { width: number; height: number }, settings: object]>([
    ['cells of the usual shape', { width: 1280, height: 720 }, {}],
    ['high cells', { width: 1280, height: 900 }, { adjust_line_height: '140%' }],
    ['a narrow window', { width: 300, height: 720 }, {}],
  ])('a square picture is square and whole with %s', async ([, window, settings], { codex, world }) => {
    await codex.order(turn(save('store', PICTURE), { do: 'hang' }));
    const command = ['sh', '-c', '"$0" "$@"; read -r _', process.execPath, CLI, 'a fox'];
    const { env, scratch: cwd } = world;
    const screenshot = await inKitty(
      command,
      { env, cwd },
      { ...window, settings: { ...settings } },
      (kitty) => kitty.shows((shown) => boxAround(shown, isInside) !== undefined),
    );
    const frame = boxAround(screenshot, isFrame) ?? expect.unreachable('there is no frame');
    const inside = boxAround(screenshot, isInside) ?? expect.unreachable('there is no picture');
    // Columns are whole numbers: half of one is the most that can be missing.
    expect(Math.abs(widthOf(frame) / heightOf(frame) - 1)).toBeLessThan(0.02);
    // All four edges are there, so that nothing is cut off.
    const thickness = Math.round((FRAME / SIDE) * heightOf(frame));
    for (const edge of [
      inside.left - frame.left,
      frame.right - inside.right,
      inside.top - frame.top,
      frame.bottom - inside.bottom,
    ]) {
      expect(Math.abs(edge - thickness)).toBeLessThanOrEqual(2);
    }
  });
});
