// The image shown in the terminal: sent unchanged, in the terminal's protocol, and to no other
// output.

// oxlint-disable no-control-regex -- escapes are what is looked for.

import { describe, expect } from 'vitest';

import { preview } from '../../bin/preview.mjs';
import { run, Terminal, test, type CommandEnvironment } from '../support/cli/command.js';
import { WINDOWS } from '../support/platform.js';
import { png } from '../support/image/small-png.js';
import { HANG, save, turn } from '../support/stub/steps.js';
import type { StubCodex } from '../support/stub/stub.js';

/** 2 MB, like real ones: more than iTerm2 accepts in one sequence. */
const PICTURE = png({ width: 1024, height: 680 });
const KITTY = { TERM: 'xterm-kitty' };
const ITERM = { TERM_PROGRAM: 'iTerm.app', TERM_PROGRAM_VERSION: '3.5.12' };
const WEZTERM = { TERM_PROGRAM: 'WezTerm' };

interface Setting {
  env: Record<string, string>;
  args?: string[];
  picture?: Buffer;
  columns?: number;
  rows?: number;
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
    ([cellRatio, width, height, sides]) => {
      const picture = { png: png(), width, height };
      const sequence = preview('kitty', picture, { columns: 80, rows: 24, cellRatio });
      expect(kitty(sequence)[0]?.control).toContain(`,${sides},`);
    },
  );
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
  ])('is not shown %s', async ([, setting], { codex, commandEnv }) => {
    const output = await sent(codex, commandEnv, { ...setting, picture: png() });
    expect(kitty(output)).toEqual([]);
    expect(iterm(output)).toEqual([]);
  });
});

test.for([KITTY, ITERM])(
  'the preview is not shown in a pipe',
  async (env, { codex, commandEnv }) => {
    await codex.play(turn(save('store', png())));
    const { code, stderr, stdout } = await run(commandEnv, ['a fox'], { env });
    expect(code).toBe(0);
    expect(`${stdout.toString()}${stderr}`).not.toContain('\u001B');
  },
);
