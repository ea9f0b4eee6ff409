// Several pictures of the command line with the real CLI: the backend counts them.

import { existsSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { expect } from 'vitest';

import { events, Piped, run } from '../support/cli/command.js';
import { draw, type Step, talk, think, usageLimit } from '../support/loopback/backend.js';
import { briefOf } from '../support/loopback/request.js';
import { makePng } from '../support/image/picture.js';
import { WINDOWS } from '../support/platform.js';
import { POLLING } from '../support/process/survivors.js';
import { test } from '../support/real/real.js';
import { CODE } from '../support/real/variants.js';

const FOXES = [1, 2, 3, 4, 5, 6];
const PICTURES = FOXES.map((seed) => makePng({ width: 96, height: 64, seed }));
const numberIn = (prompt: string) => Number(/fox (\d)/.exec(briefOf(prompt))?.[1]);

test('every picture is drawn once, over a limit, SIGTERM and a killed process', async ({
  real,
}) => {
  const drawn: number[] = [];
  const commandEnv = { scratch: real.scratch, env: { ...real.env, CODEX_BIN: CODE.cli.launcher } };
  const lines = FOXES.map((fox) => JSON.stringify({ prompt: `fox ${fox}`, output: `${fox}.png` }));
  await writeFile(path.join(real.scratch, 'foxes.jsonl'), lines.join('\n'));
  const args = ['--batch', 'foxes.jsonl', '--json'];
  /** Plays a backend that draws all foxes but some. */
  const play = (others: readonly number[], ...steps: Step[]) =>
    real.backend.play((prompt) => {
      const fox = numberIn(prompt);
      if (others.includes(fox)) return steps;
      const image = () => {
        drawn.push(fox);
        return PICTURES[fox - 1] ?? expect.unreachable(prompt);
      };
      return [draw({ image }), talk(600_000)];
    });
  const asked = (fox: number) =>
    real.backend.until(({ body }) => JSON.stringify(body ?? '').includes(`fox ${fox}`));
  const file = (fox: number) => path.join(real.scratch, `${fox}.png`);

  play([2], draw({ failure: usageLimit() }), talk(0));
  const limited = await run(commandEnv, args);
  expect(limited.code).toBe(75);
  const summary = events(limited).at(-1);
  expect(Date.parse(String(summary?.['resetsAt']))).toBeGreaterThan(Date.now());

  play([4, 5], think(600_000));
  const stopped = new Piped(commandEnv, args);
  await Promise.all([asked(4), asked(5)]);
  stopped.child.kill('SIGTERM');
  expect((await stopped.ended).code).toBe(WINDOWS ? null : 143);
  await expect.poll(() => real.survivors(), POLLING).toEqual([]);

  play([6], think(600_000));
  const killed = new Piped(commandEnv, args);
  await asked(6);
  await expect.poll(() => [4, 5].every((fox) => existsSync(file(fox))), POLLING).toBe(true);
  killed.child.kill('SIGKILL');
  await killed.ended;
  await expect.poll(() => real.survivors(), POLLING).toEqual([]);

  // Codex still has it.
  await rm(file(1));
  play([]);
  const rest = await run(commandEnv, args);
  expect(rest).toMatchObject({ code: 0, stderr: '' });
  expect(drawn.toSorted()).toEqual(FOXES);
  for (const fox of FOXES) {
    expect(PICTURES[fox - 1]?.equals(await readFile(file(fox)))).toBe(true);
  }
  expect((await readdir(real.scratch)).toSorted()).toEqual([
    ...FOXES.map((fox) => `${fox}.png`),
    'foxes.jsonl',
    'foxes.jsonl.journal',
  ]);
  await real.expectNothingLeft();
});
