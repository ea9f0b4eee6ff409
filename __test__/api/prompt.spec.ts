// How Codex may treat the prompt on its stdin. `codex/command` has its contents.

import { randomBytes } from 'node:crypto';

import { expect } from 'vitest';

import { PICTURE } from '../support/image/small-png.js';
import { save, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';
import type { StubScript } from '../support/stub/stub-script.js';

/** More than a pipe holds. */
const LONG = `a red fox ${'and another '.repeat(100_000)}`;

test('a prompt of 10 MB reaches a slow reader byte for byte', async ({ codex }) => {
  const prompt = `${randomBytes(5 * 2 ** 20).toString('hex')} 🦊`;
  const script: StubScript = { stdin: 'read slowly', exec: turn(save('workspace', PICTURE)) };
  expect(await codex.generate(script, { prompt })).toEqual(PICTURE);
  const { stdin } = await codex.turn();
  // Not `toContain`, which would print all of it on failure.
  expect(stdin?.includes(prompt)).toBe(true);
});

test.for<[what: string, stdin: 'close' | 'ignore']>([
  ['closes stdin at once', 'close'],
  ['never reads', 'ignore'],
])('the image of a child that %s is returned', async ([, stdin], { codex }) => {
  const script: StubScript = { stdin, exec: turn(save('workspace', PICTURE)) };
  expect(await codex.generate(script, { prompt: LONG })).toEqual(PICTURE);
});

test('the exit code of a child that closes stdin and fails is reported', async ({ codex }) => {
  const script: StubScript = { stdin: 'close', exec: [{ do: 'exit', code: 2 }] };
  await expect(codex.generate(script, { prompt: LONG })).rejects.toMatchObject({
    code: 'CODEX_FAILED',
    exitCode: 2,
  });
});
