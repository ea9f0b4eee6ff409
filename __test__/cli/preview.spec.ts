// The image shown in the terminal: sent in the terminal's protocol, and to no other output.

// oxlint-disable no-control-regex -- escapes are what is looked for.

import { deflateSync } from 'node:zlib';

import { decode, fromRGBA8888, type IDecodeResult } from 'sixel';
import { describe, expect } from 'vitest';

import { preview, type Size } from '../../bin/preview.mjs';
import {
  run,
  Terminal,
  test,
  type CommandEnvironment,
  type TerminalSetting,
} from '../support/cli/command.js';
import { makePng } from '../support/image/picture.js';
import { assemble, chunk, png } from '../support/image/small-png.js';
import { WINDOWS } from '../support/platform.js';
import { HANG, RUNNING, save, turn } from '../support/stub/steps.js';
import type { StubCodex } from '../support/stub/stub.js';

/** 2 MB, like real ones: more than iTerm2 accepts in one sequence. */
const PICTURE = png({ width: 1024, height: 680 });
const KITTY = { TERM: 'xterm-kitty' };
const ITERM = { TERM_PROGRAM: 'iTerm.app', TERM_PROGRAM_VERSION: '3.5.12' };
const WEZTERM = { TERM_PROGRAM: 'WezTerm' };

interface Setting extends TerminalSetting {
  env: Record<string, string>;
  args?: string[];
  picture?: Buffer;
}

/** What was sent to a terminal for one image. */
async function sent(
  codex: StubCodex,
  commandEnv: CommandEnvironment,
  { args = [], picture = PICTURE, ...setting }: Setting,
): Promise<string> {
  await codex.play(turn(save('store', picture), HANG));
  const terminal = new Terminal(commandEnv, ['a fox', ...args], setting);
  expect(await terminal.exited()).toBe(0);
  return terminal.output;
}

/** The commands of the kitty protocol: control data and payload. */
function kitty(output: string): { control: string; payload: string }[] {
  const commands = output.matchAll(/\u001B_G([^;]*);([^\u001B]*)\u001B\\/g);
  return Array.from(commands, ([, control = '', payload = '']) => ({ control, payload }));
}

/** The commands of iTerm2's protocol. */
function iterm(output: string): string[] {
  return Array.from(
    output.matchAll(/\u001B\]1337;([^\u0007]*)\u0007/g),
    ([, command = '']) => command,
  );
}

function expectPicture(base64: string, picture = PICTURE): void {
  expect(Buffer.compare(Buffer.from(base64, 'base64'), picture)).toBe(0);
}

// The console of Windows renders for its terminals, and drops sequences that it does not know.
describe.skipIf(WINDOWS)('kitty', () => {
  test('gets the image in chunks', async ({ codex, commandEnv }) => {
    const output = await sent(codex, commandEnv, { env: KITTY });
    const commands = kitty(output);
    expectPicture(commands.map(({ payload }) => payload).join(''));
    const [first, ...rest] = commands;
    // The terminal must not answer (q=2).
    expect(first?.control).toBe('a=T,f=100,q=2,c=60,r=20,m=1');
    expect(rest.at(-1)?.control).toBe('m=0');
    expect(new Set(rest.slice(0, -1).map(({ control }) => control))).toEqual(new Set(['m=1']));
    for (const { payload } of commands.slice(0, -1)) expect(payload).toHaveLength(4096);
    // The next output begins on a new line.
    expect(output).toMatch(/\u001B\\\r\n1024 × 680 pixels, 2\.1 MB/);
  });

  test('gets a small image at once', async ({ codex, commandEnv }) => {
    const picture = png();
    const commands = kitty(await sent(codex, commandEnv, { env: KITTY, picture }));
    expect(commands).toMatchObject([{ control: 'a=T,f=100,q=2,c=60,r=20,m=0' }]);
    expectPicture(commands[0]?.payload ?? '', picture);
  });

  test.for<[what: string, size: { columns: number; rows: number }, limit: string]>([
    ['20 rows in a large terminal', { columns: 200, rows: 60 }, 'c=60,r=20'],
    ['4 rows fewer than a low one has', { columns: 200, rows: 10 }, 'c=18,r=6'],
    ['as many columns as a narrow one has', { columns: 30, rows: 60 }, 'c=30,r=10'],
    ['one row where there is no room for more', { columns: 200, rows: 2 }, 'c=3,r=1'],
    ['one column where there is one', { columns: 1, rows: 24 }, 'c=1,r=1'],
  ])('gets an image of 3 × 2 in %s', async ([, size, sides], { codex, commandEnv }) => {
    const [first] = kitty(await sent(codex, commandEnv, { env: KITTY, picture: png(), ...size }));
    expect(first?.control).toContain(`,${sides},`);
  });

  test.for<[cellRatio: number | undefined, width: number, height: number, sides: string]>([
    [undefined, 1254, 1254, 'c=40,r=20'],
    [1.8, 1254, 1254, 'c=36,r=20'],
    [25 / 9, 1254, 1254, 'c=56,r=20'],
    [25 / 9, 2400, 100, 'c=67,r=1'],
    [2, 2400, 100, 'c=48,r=1'],
    [2, 1672, 941, 'c=71,r=20'],
    [2.2, 1672, 941, 'c=78,r=20'],
    [2.4, 1672, 941, 'c=77,r=18'],
    [2, 100, 2400, 'c=2,r=20'],
  ])(
    'gets an image that keeps its shape in cells of 1:%d: %d × %d',
    async ([ratio, width, height, sides]) => {
      const picture = { png: png(), width, height };
      const cell = ratio === undefined ? undefined : { width: 10, height: 10 * ratio };
      const sequence = await preview('kitty', picture, { columns: 80, rows: 24, cell });
      expect(kitty(sequence)[0]?.control).toContain(`,${sides},`);
    },
  );

  test('gets an image that fits into the terminal as it is at the end', async ({
    codex,
    commandEnv,
  }) => {
    await codex.play(turn(RUNNING, { do: 'await', gate: 'draw' }, save('store', png())));
    const terminal = new Terminal(commandEnv, ['a fox'], { env: KITTY });
    await codex.reached('running');
    terminal.resize(30, 10);
    await codex.open('draw');
    expect(await terminal.exited()).toBe(0);
    expect(kitty(terminal.output)[0]?.control).toContain(',c=18,r=6,');
  });
});

describe.skipIf(WINDOWS)('iTerm2', () => {
  test('gets the image in parts, because one would be too long', async ({ codex, commandEnv }) => {
    const output = await sent(codex, commandEnv, { env: ITERM });
    const [head, ...rest] = iterm(output);
    expect(head).toBe(
      `MultipartFile=inline=1;size=${PICTURE.length};width=auto;height=20;preserveAspectRatio=1`,
    );
    expect(rest.pop()).toBe('FileEnd');
    for (const part of rest) {
      expect(part.startsWith('FilePart=')).toBe(true);
      expect(part.length).toBeLessThan(1 << 20);
    }
    expectPicture(rest.map((part) => part.replace('FilePart=', '')).join(''));
    expect(output).toMatch(/FileEnd\u0007\r\n1024 × 680 pixels/);
  });

  test.for<[what: string, env: Record<string, string>]>([
    ['iTerm2 before 3.5', { ...ITERM, TERM_PROGRAM_VERSION: '3.4.23' }],
    ['iTerm2 of an unknown version', { TERM_PROGRAM: 'iTerm.app' }],
    ['WezTerm, which knows no parts', WEZTERM],
    ['mintty', { TERM_PROGRAM: 'mintty' }],
  ])('gets the image as a whole: %s', async ([, env], { codex, commandEnv }) => {
    const [command = '', ...more] = iterm(await sent(codex, commandEnv, { env, columns: 20 }));
    expect(more).toEqual([]);
    const [options, base64 = ''] = command.split(':');
    expect(options).toBe(
      `File=inline=1;size=${PICTURE.length};width=20;height=auto;preserveAspectRatio=1`,
    );
    expectPicture(base64);
  });
});

/** A picture of four colours, and what a terminal draws of it. */
const QUARTERS = makePng({
  width: 800,
  height: 400,
  paint: (x, y) => [x < 400 ? 200 : 50, y < 200 ? 200 : 50, 100],
});
const SIXELS = '\u001B[?62;4;22c';
const QUERY = '\u001B[c';

type Bitmap = Pick<IDecodeResult, 'width' | 'height' | 'data32'>;

/** The images in sixels. */
function sixels(output: string): Bitmap[] {
  const images = output.matchAll(/\u001BP[\d;]*q([^\u001B]*)\u001B\\/g);
  return Array.from(images, ([, data = '']) => {
    const { width, height, data32 } = decode(data, { fillColor: 0 });
    return { width, height, data32: data32.slice() };
  });
}

function colourAt({ width, data32 }: Bitmap, x: number, y: number): number[] {
  return fromRGBA8888(data32[y * width + x] ?? expect.unreachable('it is too small'));
}

function near([red, green, blue]: [number, number, number]): unknown {
  // Sixels have colours of 0 to 100, and the quantizer mixes them.
  return [red, green, blue].map((value) => expect.closeTo(value, -1)).concat(255);
}

describe.skipIf(WINDOWS)('a terminal that says it has sixels', () => {
  test('gets the image, scaled to its size', async ({ codex, commandEnv }) => {
    const output = await sent(codex, commandEnv, { env: {}, answer: SIXELS, picture: QUARTERS });
    const [image = expect.unreachable('no image'), ...more] = sixels(output);
    expect(more).toEqual([]);
    // 20 rows of the usual 20 pixels, rounded down to a multiple of 6.
    expect([image.width, image.height]).toEqual([792, 396]);
    expect(colourAt(image, 100, 100)).toEqual(near([200, 200, 100]));
    expect(colourAt(image, 600, 100)).toEqual(near([50, 200, 100]));
    expect(colourAt(image, 100, 300)).toEqual(near([200, 50, 100]));
    expect(colourAt(image, 600, 300)).toEqual(near([50, 50, 100]));
    // The next output begins on a new line.
    expect(output).toMatch(/\u001B\\\r\n800 × 400 pixels/);
    // Asked once.
    expect(output.split(QUERY)).toHaveLength(2);
  });

  test.for<[what: string, cell: Size | undefined, columns: number, rows: number, size: number[]]>([
    ['cells of the usual size', undefined, 80, 24, [396, 396]],
    ['smaller cells', { width: 6, height: 13 }, 80, 24, [258, 258]],
    ['a border', { width: 6.05, height: 13.1 }, 80, 24, [258, 258]],
    ['few columns', { width: 6, height: 13 }, 26, 24, [156, 156]],
    ['few rows', { width: 6, height: 13 }, 80, 10, [78, 78]],
    ['one cell', { width: 6, height: 13 }, 1, 1, [6, 12]],
    ['tiny cells', { width: 1, height: 2 }, 80, 24, [36, 36]],
    ['more pixels than xterm accepts', { width: 40, height: 80 }, 80, 24, [960, 960]],
  ])('gets a square image in %s', async ([, cell, columns, rows, size]) => {
    const picture = { png: PICTURE, width: 1254, height: 1254 };
    const sequence = await preview('sixel', picture, { columns, rows, cell });
    expect(sixels(sequence).map(({ width, height }) => [width, height])).toEqual([size]);
  });

  test('gets no transparent pixels', async () => {
    const side = 100;
    const opacity = (x: number, y: number) => (x < 50 ? 0 : y < 50 ? 127 : 129);
    const picture = makePng({
      width: side,
      height: side,
      alpha: true,
      paint: (x, y) => [200, 100, 50, opacity(x, y)],
    });
    const sequence = await preview(
      'sixel',
      { png: picture, width: side, height: side },
      { columns: 80, rows: 24 },
    );
    const [image = expect.unreachable('no image')] = sixels(sequence);
    expect(colourAt(image, 100, 300)).toEqual([0, 0, 0, 0]);
    expect(colourAt(image, 300, 100)).toEqual([0, 0, 0, 0]);
    expect(colourAt(image, 300, 300)).toEqual(near([200, 100, 50]));
    // What is not drawn keeps the background.
    expect(sequence).toMatch(/^\u001BP0;1;q/);
  });

  test('does not get an image of too many pixels', async () => {
    const picture = { png: png(), width: 10_000, height: 10_000 };
    expect(await preview('sixel', picture, { columns: 80, rows: 24 })).toBe('');
  });

  test('is told if the image cannot be shown', async ({ codex, commandEnv }) => {
    // A palette of one colour, and a pixel of the second one, which is black in most programs.
    const picture = assemble([
      chunk('IHDR', Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0])),
      chunk('PLTE', Buffer.from([1, 2, 3])),
      chunk('IDAT', deflateSync(Buffer.from([0, 1]))),
    ]);
    const output = await sent(codex, commandEnv, { env: {}, answer: SIXELS, picture });
    expect(output).toContain('The picture cannot be shown here: ');
    expect(sixels(output)).toEqual([]);
  });
});

// It could not take keys back that the command has read.
describe.skipIf(WINDOWS)('a terminal is not asked', () => {
  const AFTER =
    'code=$?; echo "[ended]"; read -r line; echo "[read $line]"; echo "[exit $code]"; read -r _';

  test('if something has been typed, which the next program reads', async ({
    codex,
    commandEnv,
  }) => {
    await codex.play(turn(save('store', png()), HANG));
    const script = `echo "[ready]"; read -r _; "$0" "$@"; ${AFTER}`;
    const terminal = new Terminal(commandEnv, ['a fox'], { answer: SIXELS, script });
    await terminal.sent(/\[ready\]/);
    terminal.type('\rls -l\r');
    await terminal.sent(/\[read ls -l\]/);
    expect(await terminal.exited()).toBe(0);
    expect(terminal.output).not.toContain(QUERY);
  });

  test.for<[what: string, script: string]>([
    ['by a job in the background', `set -m; "$0" "$@" & wait $!; ${AFTER}`],
    ['if stdin is no terminal', `"$0" "$@" < /dev/null; ${AFTER}`],
  ])('%s', async ([, script], { codex, commandEnv }) => {
    await codex.play(turn(save('store', png()), HANG));
    const terminal = new Terminal(commandEnv, ['a fox'], { answer: SIXELS, script });
    await terminal.sent(/\[ended\]/);
    terminal.type('ls -l\r');
    await terminal.sent(/\[read ls -l\]/);
    expect(await terminal.exited()).toBe(0);
    expect(terminal.output).not.toContain(QUERY);
  });

  test('for more than its answer: what follows it is left', async ({ codex, commandEnv }) => {
    await codex.play(turn(save('store', png()), HANG));
    const script = `"$0" "$@"; ${AFTER}`;
    const answer = `${SIXELS}ls -l\r`;
    const terminal = new Terminal(commandEnv, ['a fox'], { answer, script });
    await terminal.sent(/\[read ls -l\]/);
    expect(await terminal.exited()).toBe(0);
    expect(sixels(terminal.output)).toHaveLength(1);
  });
});

describe.skipIf(WINDOWS)('the preview', () => {
  test.for<[what: string, protocol: 'kitty' | 'iterm', env: Record<string, string>]>([
    ['Ghostty', 'kitty', { TERM: 'xterm-ghostty' }],
    ['Ghostty under another TERM', 'kitty', { TERM_PROGRAM: 'ghostty' }],
    ['kitty under another TERM', 'kitty', { KITTY_WINDOW_ID: '1' }],
    ['kitty that was started from iTerm2', 'kitty', { ...KITTY, ...ITERM }],
    ['iTerm2 through ssh', 'iterm', { LC_TERMINAL: 'iTerm2', LC_TERMINAL_VERSION: '3.5.0' }],
  ])('is shown by %s', async ([, protocol, env], { codex, commandEnv }) => {
    const output = await sent(codex, commandEnv, { env, picture: png() });
    expect(kitty(output).length > 0).toBe(protocol === 'kitty');
    expect(iterm(output).length > 0).toBe(protocol === 'iterm');
  });

  test.for<[what: string, setting: Setting]>([
    ['by a terminal that is not known', { env: {} }],
    ['by one that does not answer', { env: {}, answer: '' }],
    ['by one that is known for not doing it', { env: { TERM_PROGRAM: 'Apple_Terminal' } }],
    ['by one started from kitty', { env: { TERM_PROGRAM: 'vscode', KITTY_WINDOW_ID: '1' } }],
    ['inside tmux', { env: { ...ITERM, TMUX: '/tmp/tmux-0/default,1,0' } }],
    ['inside screen', { env: { ...WEZTERM, STY: '1.pts-0' } }],
    ['inside tmux of another machine', { env: { ...ITERM, TERM: 'tmux-256color' } }],
    ['by a terminal that only looks like one', { env: { ...ITERM, TERM: 'dumb' } }],
    ['in a CI', { env: { ...KITTY, CI: 'true' } }],
    ['with --no-preview', { env: KITTY, args: ['--no-preview'] }],
    ['with --quiet', { env: KITTY, args: ['--quiet'] }],
    ['with --json', { env: KITTY, args: ['--json'] }],
    ['in sixels inside tmux', { env: { TMUX: '/tmp/tmux-0/default,1,0' }, answer: SIXELS }],
    ['in sixels inside screen', { env: { TERM: 'screen-256color' }, answer: SIXELS }],
    ['in sixels in a CI', { env: { CI: 'true' }, answer: SIXELS }],
    ['in sixels with NO_COLOR', { env: { NO_COLOR: '1' }, answer: SIXELS }],
    ['in sixels with --no-preview', { env: {}, args: ['--no-preview'], answer: SIXELS }],
    ['in sixels with --quiet', { env: {}, args: ['--quiet'], answer: SIXELS }],
    ['in sixels with --json', { env: {}, args: ['--json'], answer: SIXELS }],
  ])('is not shown %s', async ([, setting], { codex, commandEnv }) => {
    const output = await sent(codex, commandEnv, { ...setting, picture: png() });
    expect(kitty(output)).toEqual([]);
    expect(iterm(output)).toEqual([]);
    expect(sixels(output)).toEqual([]);
    if (setting.answer === SIXELS) expect(output).not.toContain(QUERY);
  });
});

test.for([KITTY, ITERM, {}])(
  'the preview is not shown in a pipe',
  async (env, { codex, commandEnv }) => {
    await codex.play(turn(save('store', png())));
    const { code, stderr, stdout } = await run(commandEnv, ['a fox'], { env });
    expect(code).toBe(0);
    expect(`${stdout.toString()}${stderr}`).not.toContain('\u001B');
  },
);
