// The picture in real terminals, by screenshot. Debian's packages `kitty`, `xterm` and `xvfb` are
// enough.

import { spawnSync } from 'node:child_process';
import { mkdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect } from 'vitest';

import { CLI, test, type CommandEnvironment } from '../support/cli/command.js';
import {
  inTerminal,
  missingFor,
  type Emulator,
  type Pixel,
  type Screenshot,
  type Session,
} from '../support/cli/window.js';
import { copy, draw, talk, think } from '../support/loopback/backend.js';
import { makePng } from '../support/image/picture.js';
import { test as realTest } from '../support/real/real.js';
import { HANG, save, turn } from '../support/stub/steps.js';
import type { StubCodex } from '../support/stub/stub.js';
import { POLLING } from '../support/process/survivors.js';
import { CODE } from '../support/real/variants.js';

/** As large as a real one, with a frame whose edges tell whether any was cut off. */
const SIDE = 1254;
const FRAME_WIDTH = 100;
const FRAME: Pixel = [0, 255, 0];
const INSIDE: Pixel = [255, 0, 255];
const PICTURE = makePng({
  width: SIDE,
  height: SIDE,
  paint: (x, y) => (Math.min(x, y, SIDE - 1 - x, SIDE - 1 - y) < FRAME_WIDTH ? FRAME : INSIDE),
});

function isLike(wanted: Pixel): (pixel: Pixel) => boolean {
  return (pixel) => pixel.every((value, channel) => value === wanted[channel]);
}

/** Draws PICTURE in a terminal, and returns a screenshot from its first to its last row. */
async function drawn(
  session: Omit<Session, 'command' | 'env' | 'cwd'>,
  codex: StubCodex,
  { env, scratch }: CommandEnvironment,
): Promise<Screenshot> {
  await codex.play(turn(save('store', PICTURE), HANG));
  const command = ['sh', '-c', '"$0" "$@"; read -r _', process.execPath, CLI, 'a fox'];
  const screenshot = await inTerminal({ ...session, command, env, cwd: scratch }, (window) =>
    // A terminal may show a part of the picture first, and the file of the display may have only
    // some rows of it.
    window.shows((shown) => {
      const inside = shown.boxAround(isLike(INSIDE));
      const frame = shown.boxAround(isLike(FRAME));
      if (inside === undefined || frame === undefined) return false;
      return frame.top < inside.top && inside.bottom < frame.bottom;
    }),
  );
  // The command had more to print, and ends because its terminal is gone.
  await expect.poll(() => codex.survivors(), POLLING).toEqual([]);
  return screenshot;
}

function expectSquare(screenshot: Screenshot): void {
  const frame = screenshot.boxAround(isLike(FRAME)) ?? expect.unreachable('it has no frame');
  const inside = screenshot.boxAround(isLike(INSIDE)) ?? expect.unreachable('it is empty');
  const width = frame.right - frame.left + 1;
  const height = frame.bottom - frame.top + 1;
  // Cells are whole: half a column may be missing, of 22 or more.
  expect(Math.abs(width / height - 1)).toBeLessThan(0.025);
  const edges = {
    left: inside.left - frame.left,
    right: frame.right - inside.right,
    top: inside.top - frame.top,
    bottom: frame.bottom - inside.bottom,
  };
  const thickness = (FRAME_WIDTH / SIDE) * height;
  for (const [edge, pixels] of Object.entries(edges)) {
    expect(Math.abs(pixels - thickness), `${edge} edge`).toBeLessThan(2);
  }
}

type Look = Pick<Session, 'width' | 'height' | 'settings'>;

function skipped(terminal: Emulator): { skip: boolean; reason: string } {
  const missing = missingFor(terminal);
  return { skip: missing !== '', reason: missing === '' ? '' : ` (skipped: no ${missing})` };
}

const kitty = skipped('kitty');
describe.skipIf(kitty.skip)(`a square image in kitty${kitty.reason}`, () => {
  test.for<[where: string, look: Look]>([
    ['in cells of the usual shape', { width: 1280, height: 720 }],
    ['in high cells', { width: 1280, height: 900, settings: { adjust_line_height: '140%' } }],
    ['in a narrow window', { width: 300, height: 720 }],
    ['in a low window', { width: 1280, height: 200 }],
  ])('is shown as a whole square %s', async ([, look], { codex, commandEnv }) => {
    expectSquare(await drawn({ terminal: 'kitty', ...look }, codex, commandEnv));
  });
});

const xterm = skipped('xterm');
describe.skipIf(xterm.skip)(`a square image in sixels in xterm${xterm.reason}`, () => {
  test.for<[where: string, look: Look]>([
    ['in a large window', { width: 1280, height: 720 }],
    ['in a narrow window', { width: 160, height: 720 }],
    ['in a low window', { width: 1280, height: 160 }],
  ])('is shown as a whole square %s', async ([, look], { codex, commandEnv }) => {
    expectSquare(await drawn({ terminal: 'xterm', ...look }, codex, commandEnv));
  });
});

/**
 * `CODEX_IMAGE_SCREENSHOT=1 npx vitest run __test__/cli/screenshot.spec.ts` makes README's picture
 * again, docs/terminal.png: the command line while the real Codex draws, and below that what it
 * ends with. It takes ImageMagick as well, which reduces the colours.
 */
const isAskedFor = process.env['CODEX_IMAGE_SCREENSHOT'] !== undefined;

realTest.runIf(isAskedFor)('the command draws the image of README.md', async ({ real }) => {
  // As the demo backend does.
  real.backend.play([think(800), draw({ ms: 2000 }), copy(), talk(3000)]);
  // The picture shows this path.
  const cwd = path.join(tmpdir(), 'pictures');
  await mkdir(path.join(cwd, 'node_modules', '.bin'), { recursive: true });
  try {
    await symlink(CLI, path.join(cwd, 'node_modules', '.bin', 'codex-image'));
    const env = { ...real.env, CODEX_BIN: CODE.cli.launcher, npm_config_update_notifier: 'false' };
    const command = ['bash', '-c', SCRIPT];
    const session = { command, env, cwd, ...LOOK };
    const [before, after] = await inTerminal(session, async (window) => {
      await real.imageCalled();
      return [
        await window.shows((shown) => lastLine(shown) > 0),
        await window.shows((shown) => shown.boxAround(isLike(END)) !== undefined),
      ] as const;
    });
    saveForReadme(before, after);
  } finally {
    await rm(cwd, { recursive: true });
  }
});

const BACKGROUND: Pixel = [22, 24, 33];
/** Of a cell behind everything else, whose colour only the test can tell from the background. */
const END: Pixel = [22, 24, 34];
const LOOK = {
  terminal: 'kitty' as const,
  width: 820,
  height: 660,
  settings: {
    background: '#161821',
    foreground: '#d8dae4',
    font_family: 'DejaVu Sans Mono',
    font_size: '13',
    window_padding_width: '10',
  },
};
const SCRIPT = `
  PS4='$ '
  set -x
  npx codex-image "orange dunes below a violet sky" -o dunes.png --aspect 16:9
  { set +x; } 2>/dev/null
  printf '\\033[48;2;${END.join(';')}m \\033[m\\033[?25l'
  read -r _`;

/** The lowest row of pixels that has text or a picture. */
function lastLine(screenshot: Screenshot): number {
  const [isBackground, isEnd] = [isLike(BACKGROUND), isLike(END)];
  const text = screenshot.boxAround((pixel) => !isBackground(pixel) && !isEnd(pixel));
  return text?.bottom ?? 0;
}

function saveForReadme(before: Screenshot, after: Screenshot): void {
  const { width } = before;
  const used = (shot: Screenshot) => shot.pixels.subarray(0, (lastLine(shot) + 16) * width * 3);
  const line = Buffer.alloc(2 * width * 3, 0x48);
  const input = Buffer.concat([used(before), line, used(after)]);
  const size = `${width}x${input.length / width / 3}`;
  const file = fileURLToPath(new URL('../../docs/terminal.png', import.meta.url));
  const reduce = ['-size', size, '-depth', '8', 'rgb:-', '-colors', '256', `png8:${file}`];
  expect(spawnSync('convert', reduce, { input })).toMatchObject({ status: 0 });
}
