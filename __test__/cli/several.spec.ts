// Several pictures of one command: each is drawn once, whatever happens between.

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import {
  events,
  type Outcome,
  Piped,
  run,
  Terminal,
  test,
  type CommandEnvironment,
} from '../support/cli/command.js';
import { Journal } from '../../bin/journal.mjs';
import { numbered } from '../../bin/numbered.mjs';
import { png } from '../support/image/small-png.js';
import { POLLING } from '../support/process/survivors.js';
import { addToRollout, HANG, save, turn, turnFailed } from '../support/stub/steps.js';
import type { StubCodex } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

const CTRL_C = '\u0003';
const MINE = 'not to be lost';

/** The prompt of a picture: no other has this text in it. */
const promptOf = (number: number): string => `fox ${String(number).padStart(2, '0')}`;
const fileOf = (number: number): string => `${promptOf(number).replace(' ', '-')}.png`;
const pictureOf = (number: number): Buffer => png({ seed: number, width: 9 });

const draws = (number: number): Step[] => turn(save('store', pictureOf(number)));
const reach = (number: number): Step => ({ do: 'reach', mark: promptOf(number) });
/** Runs until it is stopped, without a picture. */
const hangs = (number: number): Step[] => turn(reach(number), HANG);
/** Draws a picture that only a later run can deliver, since the turn does not end. */
const drawsUnseen = (number: number): Step[] =>
  turn(addToRollout('end', pictureOf(number)), reach(number), HANG);
const LIMITED: Step[] = [
  ...turn(turnFailed("You've hit your usage limit. Try again at Nov 25th, 2090 9:07 AM.")),
  { do: 'exit', code: 1 },
];

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Sets what happens to each picture. */
async function playFor(codex: StubCodex, steps: (number: number) => Step[], last = 50) {
  const entries = range(1, last).map((number) => [promptOf(number), steps(number)]);
  await codex.play({ exec: [], execFor: Object.fromEntries(entries) });
}

function at(commandEnv: CommandEnvironment, name: string): string {
  return path.join(commandEnv.scratch, name);
}

async function writeBatch(commandEnv: CommandEnvironment, lines: readonly unknown[]) {
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  await writeFile(at(commandEnv, 'prompts.jsonl'), `${text.join('\n')}\n`);
}

function linesOf(first: number, last: number): object[] {
  return range(first, last).map((number) => ({
    prompt: promptOf(number),
    output: fileOf(number),
  }));
}

/** How many turns each picture took. */
async function turnsOf(codex: StubCodex): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { command, stdin = '' } of await codex.recordings()) {
    if (command !== 'exec') continue;
    const prompt = /fox \d\d|a fox/.exec(stdin)?.[0] ?? expect.unreachable(stdin);
    counts[prompt] = (counts[prompt] ?? 0) + 1;
  }
  return counts;
}

async function journalOf(commandEnv: CommandEnvironment, name = 'prompts.jsonl.journal') {
  const text = await readFile(at(commandEnv, name), 'utf8');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

const summaryOf = (outcome: Outcome) => events(outcome).at(-1);

const BATCH = ['--batch', 'prompts.jsonl'];

test('50 pictures are drawn once each, over a killed process, a limit and Ctrl-C', async ({
  codex,
  commandEnv,
}) => {
  await writeBatch(commandEnv, linesOf(1, 50));

  const special = new Map([
    [13, drawsUnseen],
    [14, hangs],
  ]);
  await playFor(codex, (number) => (special.get(number) ?? draws)(number));
  const killed = new Piped(commandEnv, BATCH);
  await Promise.all([codex.reached(promptOf(13)), codex.reached(promptOf(14))]);
  const threads = async () =>
    (await journalOf(commandEnv)).filter(({ type }) => type === 'thread').length;
  await expect.poll(threads, POLLING).toBe(14);
  killed.child.kill('SIGKILL');
  await killed.ended;
  await expect.poll(() => codex.survivors(), POLLING).toEqual([]);

  await playFor(codex, (number) => (number === 25 ? LIMITED : draws(number)));
  const limited = await run(commandEnv, [...BATCH, '--json']);
  expect(limited.code).toBe(75);
  expect(summaryOf(limited)).toMatchObject({
    type: 'summary',
    pictures: 50,
    present: 12,
    recovered: 1,
    failed: 1,
    resetsAt: expect.stringMatching(/^2090-11-2/),
    continueWith: 'codex-image --batch prompts.jsonl --json',
  });

  special.clear();
  special.set(37, drawsUnseen).set(38, hangs);
  await playFor(codex, (number) => (special.get(number) ?? draws)(number));
  const stopped = new Terminal(commandEnv, BATCH, { columns: 300 });
  await Promise.all([codex.reached(promptOf(37)), codex.reached(promptOf(38))]);
  stopped.type(CTRL_C);
  expect(await stopped.exited()).toBe(130);
  expect((await stopped.lines()).slice(-3)).toEqual([
    'codex-image: Stopped by SIGINT. [STOPPED]',
    expect.stringMatching(/^36 of 50 pictures are there: .* To draw the rest: codex-image --batch/),
    '[exit 130]',
  ]);
  await codex.expectNothingLeft();

  await playFor(codex, draws);
  const rest = await run(commandEnv, [...BATCH, '--json']);
  expect(rest.code).toBe(0);
  expect(summaryOf(rest)).toEqual({
    type: 'summary',
    pictures: 50,
    present: 36,
    drawn: 13,
    recovered: 1,
    failed: 0,
    notStarted: 0,
  });

  for (const number of range(1, 50)) {
    expect(await readFile(at(commandEnv, fileOf(number)))).toEqual(pictureOf(number));
  }
  // Each picture was drawn once: 14, 25 and 38 had none in their first turns.
  expect(await turnsOf(codex)).toEqual(
    Object.fromEntries(
      range(1, 50).map((number) => [promptOf(number), [14, 25, 38].includes(number) ? 2 : 1]),
    ),
  );

  const again = await run(commandEnv, [...BATCH, '-q']);
  expect({ ...again, stdout: again.stdout.toString() }).toEqual({
    code: 0,
    signal: null,
    stdout: '',
    stderr: '',
  });
});

const names = async ({ scratch }: CommandEnvironment) => (await readdir(scratch)).toSorted();

describe('-n', () => {
  test.for<[file: string, number: number, count: number, name: string]>([
    ['fox.png', 2, 4, 'fox-2.png'],
    ['fox.png', 2, 12, 'fox-02.png'],
    ['fox.png', 100, 100, 'fox-100.png'],
    ['fox.png', 1, 1, 'fox.png'],
    ['a.b/fox', 3, 4, path.join('a.b', 'fox-3')],
  ])('names %s, picture %i of %i: %s', ([file, number, count, name]) => {
    expect(numbered(file, number, count)).toBe(name);
  });

  test('draws the prompt so many times', async ({ codex, commandEnv }) => {
    await codex.play(draws(1));
    const { code, stdout, stderr } = await run(commandEnv, ['-', '-n3', '-o', 'fox.png'], {
      stdin: 'a fox\n',
    });
    const files = ['fox-1.png', 'fox-2.png', 'fox-3.png'];
    expect(code).toBe(0);
    expect(stdout.toString().split('\n').toSorted()).toEqual([
      '',
      ...files.map((name) => at(commandEnv, name)),
    ]);
    expect(stderr.split('\n').toSorted()).toEqual([
      '',
      '3 of 3 pictures are there: 3 drawn.',
      ...files.map((name) => expect.stringMatching(`^${name}: 9 × 2 pixels, 1 kB, in 0:\\d\\d$`)),
    ]);
    expect(await names(commandEnv)).toEqual(files);
    expect(await turnsOf(codex)).toEqual({ 'a fox': 3 });
  });

  test('draws one picture as without it', async ({ codex, commandEnv }) => {
    await codex.play(draws(1));
    expect(await run(commandEnv, ['a fox', '-n', '1'])).toMatchObject({ code: 0 });
    expect(await names(commandEnv)).toEqual(['a-fox.png']);
  });

  test('chooses other names where one is taken', async ({ codex, commandEnv }) => {
    await codex.play(draws(1));
    await writeFile(at(commandEnv, 'a-fox-2.png'), MINE);
    expect(await run(commandEnv, ['a fox', '-n', '2'])).toMatchObject({ code: 0 });
    expect(await names(commandEnv)).toEqual(['a-fox-2-1.png', 'a-fox-2-2.png', 'a-fox-2.png']);
  });

  test('goes on where an earlier run ended, without names as well', async ({
    codex,
    commandEnv,
  }) => {
    await codex.play(LIMITED);
    const command = ['a fox', '-n', '3'];
    const { code, stderr } = await run(commandEnv, command);
    expect(code).toBe(75);
    expect(stderr).toMatch(
      /^0 of 3 pictures are there: 2 failed, 1 not drawn yet\. The limit resets at 2090-11-2\d \d\d:\d\d\. To draw the rest: codex-image .a fox. -n 3$/m,
    );
    expect(await names(commandEnv)).toEqual(['a-fox.png.journal']);
    await codex.play(draws(1));
    expect(await run(commandEnv, command)).toMatchObject({ code: 0 });
    expect(await names(commandEnv)).toEqual(['a-fox-1.png', 'a-fox-2.png', 'a-fox-3.png']);
  });
});

describe('an existing file', () => {
  test('is refused with all others before anything is started', async ({ codex, commandEnv }) => {
    await codex.play(draws(1));
    await writeFile(at(commandEnv, 'fox-1.png'), MINE);
    await mkdir(at(commandEnv, 'fox-3.png'));
    const { code, stdout, stderr } = await run(commandEnv, ['a fox', '-n4', '-o', 'fox.png']);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 73, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      'codex-image: 2 pictures cannot be written, so none was drawn. [OUTPUT_EXISTS]',
      `  fox-1.png: ${at(commandEnv, 'fox-1.png')} exists. --force replaces it.`,
      `  fox-3.png: ${at(commandEnv, 'fox-3.png')} is a directory, and cannot be replaced.`,
      '',
    ]);
    expect(await codex.recordings()).toEqual([]);
    expect(await names(commandEnv)).toEqual(['fox-1.png', 'fox-3.png']);
  });

  test('is replaced with --force, unless it is the picture', async ({ codex, commandEnv }) => {
    await playFor(codex, (number) => (number === 2 ? LIMITED : draws(number)));
    await writeBatch(commandEnv, linesOf(1, 3));
    await writeFile(at(commandEnv, fileOf(1)), MINE);
    await writeFile(at(commandEnv, fileOf(2)), MINE);
    expect(await run(commandEnv, [...BATCH, '--force'])).toMatchObject({ code: 75 });
    expect(await readFile(at(commandEnv, fileOf(2)), 'utf8')).toBe(MINE);
    await playFor(codex, draws);
    expect(await run(commandEnv, [...BATCH, '--force'])).toMatchObject({ code: 0 });
    for (const number of [1, 2, 3]) {
      expect(await readFile(at(commandEnv, fileOf(number)))).toEqual(pictureOf(number));
    }
    expect(await turnsOf(codex)).toMatchObject({ 'fox 01': 1, 'fox 02': 2 });
  });

  test('that appears meanwhile is left alone, and the picture is not drawn again', async ({
    codex,
    commandEnv,
  }) => {
    const gated: Step[] = turn(
      reach(1),
      { do: 'await', gate: 'draw' },
      save('store', pictureOf(1)),
    );
    await playFor(codex, () => gated);
    await writeBatch(commandEnv, linesOf(1, 1));
    const { ended } = new Piped(commandEnv, [...BATCH, '--json']);
    await codex.reached(promptOf(1));
    await writeFile(at(commandEnv, fileOf(1)), MINE);
    await codex.open('draw');
    const outcome = await ended;
    expect(outcome.code).toBe(73);
    expect(events(outcome).at(-2)).toMatchObject({
      type: 'error',
      picture: 1,
      code: 'OUTPUT_EXISTS',
      path: at(commandEnv, 'fox-01-2.png'),
    });
    expect(summaryOf(outcome)).toMatchObject({ drawn: 1, failed: 0 });
    const again = await run(commandEnv, [...BATCH, '--json']);
    expect(again.code).toBe(0);
    expect(events(again)[0]).toEqual({
      type: 'present',
      picture: 1,
      path: at(commandEnv, 'fox-01-2.png'),
    });
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1 });
  });
});

describe('a picture that fails', () => {
  test('does not keep the others from being drawn', async ({ codex, commandEnv }) => {
    await playFor(codex, (number) => (number === 2 ? turn() : draws(number)));
    await writeBatch(commandEnv, linesOf(1, 5));
    const outcome = await run(commandEnv, [...BATCH, '--json']);
    expect(outcome.code).toBe(65);
    const settled = events(outcome).filter(({ type }) => type !== 'progress');
    const byPicture = settled.toSorted(
      (one, other) => Number(one['picture']) - Number(other['picture']),
    );
    expect(byPicture.slice(0, 5)).toMatchObject(
      range(1, 5).map((number) =>
        number === 2
          ? { type: 'error', picture: 2, code: 'NO_IMAGE' }
          : {
              type: 'result',
              picture: number,
              path: at(commandEnv, fileOf(number)),
              bytes: pictureOf(number).length,
            },
      ),
    );
    expect(summaryOf(outcome)).toMatchObject({ pictures: 5, drawn: 4, failed: 1, notStarted: 0 });
    const progress = events(outcome).filter(({ type }) => type === 'progress');
    expect(new Set(progress.map(({ picture }) => picture))).toEqual(new Set([1, 2, 3, 4, 5]));
  });

  test('is named by its line', async ({ codex, commandEnv }) => {
    await playFor(codex, () => turn());
    await writeBatch(commandEnv, ['', ...linesOf(1, 1)]);
    const { code, stdout, stderr } = await run(commandEnv, BATCH);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 65, stdout: '' });
    expect(stderr).toMatch(/^codex-image: line 2: Codex finished, .* \[NO_IMAGE\]$/m);
    expect(stderr).toMatch(/^0 of 1 pictures are there: 1 failed\. To draw the rest: codex-image/m);
  });

  test('decides the exit code by its place', async ({ codex, commandEnv }) => {
    const failing: Step[] = [...turn(turnFailed('unexpected status 503')), { do: 'exit', code: 1 }];
    await playFor(codex, (number) => (number === 3 ? turn() : failing));
    await writeBatch(commandEnv, linesOf(2, 3));
    expect(await run(commandEnv, BATCH)).toMatchObject({ code: 75 });
  });
});

describe('no further picture is started', () => {
  test('at a usage limit, and a running one is finished', async ({ codex, commandEnv }) => {
    const gated: Step[] = turn(
      reach(2),
      { do: 'await', gate: 'draw' },
      save('store', pictureOf(2)),
    );
    const limitedThen: Step[] = [{ do: 'await', gate: 'limit' }, ...LIMITED];
    const steps = new Map([
      [1, limitedThen],
      [2, gated],
    ]);
    await playFor(codex, (number) => steps.get(number) ?? draws(number));
    await writeBatch(commandEnv, linesOf(1, 5));
    const command = new Piped(commandEnv, [...BATCH, '--json']);
    let printed = '';
    command.child.stdout?.on('data', (data) => (printed += data));
    await codex.reached(promptOf(2));
    await codex.open('limit');
    await expect.poll(() => printed, POLLING).toMatch(/"USAGE_LIMIT"/);
    await codex.open('draw');
    const outcome = await command.ended;
    expect(outcome.code).toBe(75);
    expect(summaryOf(outcome)).toMatchObject({ drawn: 1, failed: 1, notStarted: 3 });
    expect(await readFile(at(commandEnv, fileOf(2)))).toEqual(pictureOf(2));
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1, 'fox 02': 1 });
  });

  test('where this machine is not ready', async ({ codex, commandEnv }) => {
    await codex.login({ auth_mode: 'apikey', OPENAI_API_KEY: 'sk-x' });
    await playFor(codex, draws);
    await writeBatch(commandEnv, linesOf(1, 9));
    const outcome = await run(commandEnv, [...BATCH, '--json']);
    expect(outcome.code).toBe(69);
    expect(summaryOf(outcome)).toMatchObject({ failed: 2, notStarted: 7 });
  });
});

test('no further picture is started where the journal cannot be written', async ({
  codex,
  commandEnv,
}) => {
  await playFor(codex, draws);
  await writeBatch(commandEnv, linesOf(1, 5));
  const preload = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { writeSync } = fs;
    fs.writeSync = (file, text) => {
      if (!String(text).includes('"thread"')) return writeSync(file, text);
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    };
    syncBuiltinESMExports();`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` };
  const outcome = await run(commandEnv, [...BATCH, '--json'], { env });
  expect(outcome.code).toBe(73);
  expect(events(outcome).slice(-2)).toMatchObject([
    {
      type: 'error',
      code: 'OUTPUT_FAILED',
      message: expect.stringMatching(/journal cannot be written: full/),
    },
    { type: 'summary', drawn: 2, notStarted: 3 },
  ]);
});

test('a journal that cannot be removed is a warning', async ({ codex, commandEnv }) => {
  await codex.play(draws(1));
  const preload = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { rm } = fs.promises;
    fs.promises.rm = async (file, options) => {
      if (!file.endsWith('.journal')) return rm(file, options);
      throw Object.assign(new Error('held'), { code: 'EBUSY' });
    };
    syncBuiltinESMExports();`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` };
  const outcome = await run(commandEnv, ['a fox', '-n', '2', '--json'], { env });
  expect(outcome.code).toBe(0);
  const journal = at(commandEnv, 'a-fox.png.journal');
  expect(events(outcome).slice(-2)).toMatchObject([
    { type: 'warning', message: `${journal} could not be removed.` },
    { type: 'summary', drawn: 2 },
  ]);
  expect(await journalOf(commandEnv, 'a-fox.png.journal')).toContainEqual(
    expect.objectContaining({ type: 'end' }),
  );
});

describe('another run', () => {
  /** Draws the pictures 1 to `last`, except those without steps, and then forgets the turns. */
  async function drawn(codex: StubCodex, commandEnv: CommandEnvironment, last: number) {
    await playFor(codex, draws);
    await writeBatch(commandEnv, linesOf(1, last));
    expect(await run(commandEnv, BATCH)).toMatchObject({ code: 0 });
    // A turn that is started from now on fails.
    await playFor(codex, () => []);
  }

  const journal = 'prompts.jsonl.journal';

  async function rewriteJournal(commandEnv: CommandEnvironment, edit: (text: string) => string) {
    const text = await readFile(at(commandEnv, journal), 'utf8');
    await writeFile(at(commandEnv, journal), edit(text));
  }

  test('draws only the lines that are new', async ({ codex, commandEnv }) => {
    await drawn(codex, commandEnv, 2);
    await playFor(codex, draws);
    await writeBatch(commandEnv, linesOf(1, 3).toReversed());
    expect(summaryOf(await run(commandEnv, [...BATCH, '--json']))).toMatchObject({
      present: 2,
      drawn: 1,
    });
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1, 'fox 02': 1, 'fox 03': 1 });
  });

  test('draws an edited line again, and replaces its file only with --force', async ({
    codex,
    commandEnv,
  }) => {
    await drawn(codex, commandEnv, 2);
    const [first] = linesOf(1, 1);
    await writeBatch(commandEnv, [first, { prompt: promptOf(9), output: fileOf(2) }]);
    await playFor(codex, draws);
    const refused = await run(commandEnv, BATCH);
    expect(refused.code).toBe(73);
    expect(refused.stderr).toMatch(/^ {2}line 2: .*fox-02\.png exists\. --force replaces it\.$/m);
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1, 'fox 02': 1 });
    expect(await run(commandEnv, [...BATCH, '-f'])).toMatchObject({ code: 0 });
    expect(await readFile(at(commandEnv, fileOf(2)))).toEqual(pictureOf(9));
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1, 'fox 02': 1, 'fox 09': 1 });
  });

  test.for<[what: string, change: object]>([
    ['aspect', { aspect: '16:9' }],
    ['background', { transparent: true }],
    ['references', { references: ['ref.png'] }],
    ['file', { output: 'other.png' }],
  ])('draws a line with another %s again', async ([, change], { codex, commandEnv }) => {
    await drawn(codex, commandEnv, 1);
    await writeFile(at(commandEnv, 'ref.png'), pictureOf(3));
    await writeBatch(commandEnv, [{ prompt: promptOf(1), output: fileOf(1), ...change }]);
    await playFor(codex, draws);
    expect(await run(commandEnv, [...BATCH, '-f'])).toMatchObject({ code: 0 });
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 2 });
  });

  test('gets a picture that was removed from Codex’s store', async ({ codex, commandEnv }) => {
    await drawn(codex, commandEnv, 2);
    await rm(at(commandEnv, fileOf(2)));
    const { code, stderr } = await run(commandEnv, BATCH);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^line 2: recovered, 9 × 2 pixels, 1 kB$/m);
    expect(stderr).toMatch(/^2 of 2 pictures are there: 1 recovered, 1 there before\.$/m);
    expect(await readFile(at(commandEnv, fileOf(2)))).toEqual(pictureOf(2));
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1, 'fox 02': 1 });
  });

  test('finds a picture that was written just before the end', async ({ codex, commandEnv }) => {
    await drawn(codex, commandEnv, 1);
    await rewriteJournal(commandEnv, (text) => text.replace(/\{"type":"done"[^]*/, ''));
    await rm(path.join(codex.home, 'generated_images'), { recursive: true });
    expect(summaryOf(await run(commandEnv, [...BATCH, '--json']))).toMatchObject({ present: 1 });
    expect(await names(commandEnv)).toEqual([fileOf(1), 'prompts.jsonl', journal]);
  });

  test('finds one that had to take another name', async ({ codex, commandEnv }) => {
    await drawn(codex, commandEnv, 1);
    await rewriteJournal(commandEnv, (text) => text.replace(/\{"type":"done"[^]*/, ''));
    await rename(at(commandEnv, fileOf(1)), at(commandEnv, 'fox-01-2.png'));
    await writeFile(at(commandEnv, fileOf(1)), MINE);
    expect(summaryOf(await run(commandEnv, [...BATCH, '--json']))).toMatchObject({ present: 1 });
  });

  test('recovers a picture that was not written', async ({ codex, commandEnv }) => {
    await drawn(codex, commandEnv, 1);
    await rewriteJournal(commandEnv, (text) => text.replace(/\{"type":"image"[^]*/, ''));
    await rm(at(commandEnv, fileOf(1)));
    const outcome = await run(commandEnv, [...BATCH, '--json']);
    expect(events(outcome)[0]).toMatchObject({ type: 'result', picture: 1, recovered: true });
    expect(await readFile(at(commandEnv, fileOf(1)))).toEqual(pictureOf(1));
  });

  test('recovers a picture that could not be written', async ({ codex, commandEnv }) => {
    const gated: Step[] = turn(
      reach(1),
      { do: 'await', gate: 'draw' },
      save('store', pictureOf(1)),
    );
    await playFor(codex, () => gated);
    await mkdir(at(commandEnv, 'in'));
    await writeBatch(commandEnv, [{ prompt: promptOf(1), output: 'in/fox.png' }]);
    const { ended } = new Piped(commandEnv, BATCH);
    await codex.reached(promptOf(1));
    await rename(at(commandEnv, 'in'), at(commandEnv, 'out'));
    await codex.open('draw');
    expect(await ended).toMatchObject({ code: 73 });
    await mkdir(at(commandEnv, 'in'));
    expect(summaryOf(await run(commandEnv, [...BATCH, '--json']))).toMatchObject({ recovered: 1 });
    expect(await readFile(at(commandEnv, 'in/fox.png'))).toEqual(pictureOf(1));
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1 });
  });

  test('draws nothing where it cannot tell whether there is a picture', async ({
    codex,
    commandEnv,
  }) => {
    await drawn(codex, commandEnv, 1);
    await rewriteJournal(commandEnv, (text) =>
      text.replace(/"threadId":"[^"]*"/, '"threadId":"x"'),
    );
    await rm(at(commandEnv, fileOf(1)));
    expect(await run(commandEnv, BATCH)).toMatchObject({ code: 64 });
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1 });
  });

  test('reads a journal whose last line is torn', async ({ codex, commandEnv }) => {
    await drawn(codex, commandEnv, 2);
    await rewriteJournal(commandEnv, (text) => text.slice(0, -10));
    const first = await run(commandEnv, BATCH);
    expect(first).toMatchObject({ code: 0 });
    expect(first.stderr).toMatch(/^Warning: Line 8 of .*prompts\.jsonl\.journal cannot be read/m);
    const outcome = await run(commandEnv, [...BATCH, '--json']);
    expect(events(outcome).map(({ type }) => type)).toEqual([
      'warning',
      'present',
      'present',
      'summary',
    ]);
  });

  test('ignores lines of the journal whose members have other types', async ({
    codex,
    commandEnv,
  }) => {
    await writeBatch(commandEnv, linesOf(1, 1));
    await playFor(codex, draws);
    expect((await run(commandEnv, BATCH)).code).toBe(0);
    const { key } = (await journalOf(commandEnv)).find(({ type }) => type === 'done');
    const lines = [
      { type: 'done', key, file: 5 },
      { type: 'thread', key },
      { type: 'image', key, file: [], sha256: 7 },
    ];
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    await writeFile(at(commandEnv, 'prompts.jsonl.journal'), text, { flag: 'a' });
    const again = await run(commandEnv, BATCH);
    expect(again.stderr.match(/^Warning: Line \d+ of .* cannot be read/gm)).toHaveLength(3);
    expect(again.code).toBe(0);
    expect(await turnsOf(codex)).toEqual({ [promptOf(1)]: 1 });
  });

  test('takes no other file for its journal', async ({ codex, commandEnv }) => {
    await playFor(codex, draws);
    await writeBatch(commandEnv, linesOf(1, 1));
    await writeFile(at(commandEnv, journal), MINE);
    const { code, stderr } = await run(commandEnv, BATCH);
    expect(code).toBe(73);
    expect(stderr).toMatch(/journal exists, and is no journal of codex-image\. \[OUTPUT_EXISTS\]/);
    expect(await readFile(at(commandEnv, journal), 'utf8')).toBe(MINE);
    expect(await codex.recordings()).toEqual([]);
  });

  test('draws nothing twice in a directory that was moved', async ({ codex, commandEnv }) => {
    await drawn(codex, commandEnv, 2);
    await mkdir(at(commandEnv, 'in'));
    for (const name of [journal, 'prompts.jsonl', fileOf(1), fileOf(2)]) {
      await rename(at(commandEnv, name), at(commandEnv, `in/${name}`));
    }
    const outcome = await run(commandEnv, ['--batch', 'in/prompts.jsonl', '--json']);
    expect(summaryOf(outcome)).toMatchObject({ present: 2 });
  });

  test('tells equal lines without names apart', async ({ codex, commandEnv }) => {
    await playFor(codex, draws);
    await writeBatch(commandEnv, [{ prompt: promptOf(1) }, { prompt: promptOf(1) }]);
    for (const present of [0, 2]) {
      const outcome = await run(commandEnv, [...BATCH, '--json']);
      expect(summaryOf(outcome)).toMatchObject({ pictures: 2, present, drawn: 2 - present });
    }
    expect(await names(commandEnv)).toEqual([
      'fox-01-2.png',
      'fox-01.png',
      'prompts.jsonl',
      journal,
    ]);
  });

  test('is refused while the first one lasts', async ({ codex, commandEnv }) => {
    await playFor(codex, () =>
      turn(reach(1), { do: 'await', gate: 'draw' }, save('store', pictureOf(1))),
    );
    await writeBatch(commandEnv, linesOf(1, 1));
    const first = new Piped(commandEnv, BATCH);
    await codex.reached(promptOf(1));
    const { code, stderr } = await run(commandEnv, BATCH);
    expect(code).toBe(75);
    expect(stderr).toMatch(
      new RegExp(
        `^codex-image: Process ${first.child.pid} is drawing .* \\[ALREADY_RUNNING\\]$`,
        'm',
      ),
    );
    await codex.open('draw');
    expect(await first.ended).toMatchObject({ code: 0 });
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1 });
  });

  test('is refused where both begin at once', async ({ codex, commandEnv }) => {
    await playFor(codex, draws);
    await writeBatch(commandEnv, linesOf(1, 3));
    const all = await Promise.all(range(1, 4).map(() => run(commandEnv, BATCH)));
    expect(all.filter(({ code }) => code === 0).length).toBeGreaterThan(0);
    expect(all.filter(({ code }) => code !== 0 && code !== 75)).toEqual([]);
    expect(await turnsOf(codex)).toEqual({ 'fox 01': 1, 'fox 02': 1, 'fox 03': 1 });
  });

  test('begins where the killed one had its own number, as in containers', async ({
    commandEnv,
  }) => {
    const file = at(commandEnv, journal);
    await writeFile(file, `{"type":"run","run":"x","pid":${process.pid}}\n`);
    expect(await new Journal(file).remove()).toBe(true);
    expect(await names(commandEnv)).toEqual([]);
  });
});

test('a terminal has one line with counts, and then a line for each picture', async ({
  codex,
  commandEnv,
}) => {
  await playFor(codex, (number) =>
    number === 2
      ? turn(reach(2), { do: 'await', gate: 'draw' }, save('store', pictureOf(2)))
      : draws(number),
  );
  await writeBatch(commandEnv, linesOf(1, 2));
  const terminal = new Terminal(commandEnv, BATCH, { columns: 200 });
  await terminal.sent(/1 of 2 pictures are there, 1 running/);
  expect((await terminal.lines()).at(-1)).toMatch(
    /^\d:\d\d {2}1 of 2 pictures are there, 1 running$/,
  );
  await codex.open('draw');
  expect(await terminal.exited()).toBe(0);
  expect(await terminal.lines()).toEqual([
    expect.stringMatching(/^line 1: 9 × 2 pixels, 1 kB, in 0:\d\d$/),
    at(commandEnv, fileOf(1)),
    expect.stringMatching(/^line 2: 9 × 2 pixels, 1 kB, in 0:\d\d$/),
    at(commandEnv, fileOf(2)),
    '2 of 2 pictures are there: 2 drawn.',
    '[exit 0]',
  ]);
});
