// Several pictures of one command: each is drawn once, whatever happens between.

import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
  ...turn(turnFailed("You've hit your usage limit. Try again in 2 hours.")),
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
    resetsAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
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
