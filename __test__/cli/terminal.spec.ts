// In a terminal one line of progress is redrawn while Codex works, and removed at the end.

// oxlint-disable no-control-regex -- escapes are what is looked for.

import path from 'node:path';

import { describe, expect } from 'vitest';

import { Terminal, test, type CommandEnvironment } from '../support/cli/command.js';
import { WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { save, say, turn } from '../support/stub/steps.js';
import type { StubCodex } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

const SAID = 'I am mixing the colours.';

/** Sends a message, and draws when its gate opens. */
function steps(said = SAID): Step[] {
  return turn(say(said), { do: 'await', gate: 'draw' }, save('store', PICTURE));
}

/**
 * The console of Windows renders for its terminals: the bytes themselves cannot be tested there.
 */
const testBytes = test.skipIf(WINDOWS);

interface Setting {
  said?: string;
  args?: string[];
  env?: Record<string, string>;
  columns?: number;
}

/** Starts the command, and resolves when it has shown Codex's message as `shown`. */
async function drawing(
  codex: StubCodex,
  commandEnv: CommandEnvironment,
  { said = SAID, args = [], ...setting }: Setting = {},
  shown = /mixing/,
): Promise<Terminal> {
  await codex.play(steps(said));
  const terminal = new Terminal(commandEnv, ['a fox', '-o', 'fox.png', ...args], setting);
  await terminal.sent(shown);
  return terminal;
}

test('the progress line is redrawn in place, and removed at the end', async ({
  codex,
  commandEnv,
}) => {
  const terminal = await drawing(codex, commandEnv, { columns: 200 });
  expect(await terminal.lines()).toEqual([expect.stringMatching(/^\d+:\d\d {2}I am mixing/)]);
  await codex.open('draw');
  expect(await terminal.exited()).toBe(0);
  expect(await terminal.lines()).toEqual([
    expect.stringMatching(/^3 × 2 pixels, 1 kB, in \d+:\d\d$/),
    path.join(commandEnv.scratch, 'fox.png'),
    '[exit 0]',
  ]);
});

testBytes('all earlier messages are shown as well', async ({ codex, commandEnv }) => {
  const terminal = await drawing(codex, commandEnv, { columns: 200 });
  await codex.open('draw');
  expect(await terminal.exited()).toBe(0);
  for (const phase of ['Looking for Codex', 'Starting Codex', 'Codex has started']) {
    expect(terminal.output).toContain(phase);
  }
});

testBytes('the elapsed time advances without events', async ({ codex, commandEnv }) => {
  const terminal = await drawing(codex, commandEnv);
  await terminal.sent(/(\d+:\d\d) {2}I am mixing[^]*(?!\1)\d+:\d\d {2}I am mixing/);
  expect(await terminal.lines()).toEqual([expect.stringMatching(/mixing/)]);
  await codex.open('draw');
  expect(await terminal.exited()).toBe(0);
});

describe('the progress line', () => {
  test.for<[what: string, columns: number, said: string]>([
    ['in a narrow terminal', 20, `Long ${'long '.repeat(30)}`],
    // No console is that narrow.
    ...(WINDOWS ? [] : ([['in the narrowest', 1, SAID]] as [string, number, string][])),
    ['with letters as wide as two', 20, `Long ${'狐狸'.repeat(30)}`],
    ['with emoji', 20, `Long ${'🦊👨‍👩‍👧‍👦'.repeat(15)}`],
    ['with letters of two marks', 20, `Long ${'e\u0301'.repeat(60)}`],
  ])('never wraps %s', async ([, columns, said], { codex, commandEnv }) => {
    // The narrowest terminal cannot hold a word.
    const shown = columns === 1 ? /(\u001B\[\?7h[^]*){4}/ : /Long/;
    const terminal = await drawing(codex, commandEnv, { said, columns }, shown);
    expect((await terminal.lines()).length).toBeLessThanOrEqual(1);
    await codex.open('draw');
    expect(await terminal.exited()).toBe(0);
    expect((await terminal.lines()).join('')).not.toContain('Long');
  });

  testBytes('never wraps in a terminal that becomes narrow', async ({ codex, commandEnv }) => {
    const terminal = await drawing(codex, commandEnv, { columns: 120 });
    terminal.resize(10, 24);
    await terminal.sent(/\d:\d\d {2}I a\u001B/);
    await codex.open('draw');
    expect(await terminal.exited()).toBe(0);
  });
});

describe('the progress', () => {
  testBytes.for<[what: string, env: Record<string, string>]>([
    ['TERM=dumb', { TERM: 'dumb' }],
    ['CI', { CI: 'true' }],
  ])('is printed line by line with %s', async ([, env], { codex, commandEnv }) => {
    const terminal = await drawing(codex, commandEnv, { env, columns: 200 });
    await codex.open('draw');
    expect(await terminal.exited()).toBe(0);
    expect(terminal.output).not.toContain('\u001B');
    expect(await terminal.lines()).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^\d+:\d\d {2}Starting Codex$/),
        expect.stringMatching(/^\d+:\d\d {2}I am mixing the colours\.$/),
        path.join(commandEnv.scratch, 'fox.png'),
      ]),
    );
  });
});

testBytes.for<Record<string, string>>([{}, { NO_COLOR: '1' }, { FORCE_COLOR: '1' }])(
  'the progress has no colours: %o',
  async (env, { codex, commandEnv }) => {
    const terminal = await drawing(codex, commandEnv, { env });
    await codex.open('draw');
    expect(await terminal.exited()).toBe(0);
    expect(terminal.output).not.toMatch(/\u001B\[[\d;]*m/);
  },
);

test('--quiet prints nothing but the path', async ({ codex, commandEnv }) => {
  await codex.play(turn(save('store', PICTURE)));
  const terminal = new Terminal(commandEnv, ['a fox', '-o', 'fox.png', '-q'], { columns: 200 });
  expect(await terminal.exited()).toBe(0);
  expect(await terminal.lines()).toEqual([path.join(commandEnv.scratch, 'fox.png'), '[exit 0]']);
});

test('a failure replaces the progress line', async ({ codex, commandEnv }) => {
  await codex.play([...turn(say(SAID)), { do: 'exit', code: 7 }]);
  const terminal = new Terminal(commandEnv, ['a fox'], { columns: 200 });
  expect(await terminal.exited()).toBe(70);
  expect(await terminal.lines()).toEqual([
    expect.stringMatching(/^codex-image: codex image_gen exited exit 7\..* \[CODEX_FAILED\]$/),
    '--verbose shows more.',
    '[exit 70]',
  ]);
});

test('-o - is refused on a terminal before a turn is spent', async ({ codex, commandEnv }) => {
  const terminal = new Terminal(commandEnv, ['a fox', '-o', '-'], { columns: 200 });
  expect(await terminal.exited()).toBe(64);
  expect(terminal.output).toContain('stdout is a terminal');
  expect(await codex.recordings()).toEqual([]);
});

test('the message about a missing prompt does not mention stdin on a terminal', async ({
  commandEnv,
}) => {
  const terminal = new Terminal(commandEnv, [], { columns: 200 });
  expect(await terminal.exited()).toBe(64);
  expect(terminal.output).toContain('There is no prompt. `codex-image --help` tells');
});
