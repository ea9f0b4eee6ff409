// How Codex may treat the prompt on its stdin, and what a prompt may hold.
//
// Found elsewhere: quotes, `%VAR%`, newlines, `$()`, emoji and a leading `-` arrive byte-exact and never in argv
// (`command.spec.ts`, `the words`: `arrive on stdin byte for byte, and nowhere else`).

import { randomBytes } from 'node:crypto';

import { expect } from 'vitest';

import { png } from '../support/png.js';
import { type Orders, save, test, turn } from '../support/stub.js';

const PICTURE = png();
/** More than a pipe holds. */
const LONG = `a red fox ${'and another '.repeat(100_000)}`;

test('10 MB prompt to a slow reader arrives byte-exact', async ({ codex }) => {
  const prompt = `${randomBytes(5 * 2 ** 20).toString('hex')} 🦊`;
  const orders: Orders = { stdin: 'read slowly', exec: turn(save('workspace', PICTURE)) };
  expect(await codex.generate(orders, { prompt })).toEqual(PICTURE);
  const { stdin } = await codex.turn();
  // Not `toContain`: a failure would print all of it.
  expect(stdin?.includes(prompt)).toBe(true);
});

test.for<[what: string, stdin: 'close' | 'ignore']>([
  ['closes stdin at once', 'close'],
  ['never reads', 'ignore'],
])('child %s: the picture is taken all the same', async ([, stdin], { codex }) => {
  const orders: Orders = { stdin, exec: turn(save('workspace', PICTURE)) };
  expect(await codex.generate(orders, { prompt: LONG })).toEqual(PICTURE);
});

test('child closes stdin at once and fails: its own story is told', async ({ codex }) => {
  const orders: Orders = { stdin: 'close', exec: [{ do: 'exit', code: 2 }] };
  await expect(codex.generate(orders, { prompt: LONG })).rejects.toMatchObject({
    code: 'CODEX_FAILED',
    exitCode: 2,
  });
});
