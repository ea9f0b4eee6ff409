// What the picker shows: whether this machine can generate images, and how to fix what is missing.

import path from 'node:path';

import { expect, onTestFinished, vi } from 'vitest';

import { checkCodexCli } from '../../dist/open-design.mjs';
import { CHATGPT_LOGIN } from '../support/call/login.mjs';
import type { StubCodex } from '../support/stub/stub.js';
import { stubbed, test } from './support/daemon.js';

const NOT_SIGNED_IN = {
  ready: false,
  problems: [
    {
      code: 'NOT_SIGNED_IN',
      message: expect.stringMatching(/not signed in/),
      fix: expect.stringMatching(/codex login/),
      blocking: true,
    },
  ],
};

/** How often `codex login status` ran. */
async function asked(codex: StubCodex): Promise<number> {
  return (await codex.recordings()).filter(({ command }) => command === 'login').length;
}

async function signOut(codex: StubCodex): Promise<void> {
  await codex.login(null);
  await codex.play({ login: { text: 'Not logged in', exitCode: 1 }, exec: [] });
}

test('a machine that can generate images has no problem', async ({ daemon }) => {
  const { status, body } = await daemon.client.readiness();
  expect({ status, body }).toEqual({ status: 200, body: { ready: true, problems: [] } });
});

test('a problem comes with its fix, and names no path', async ({ codex, daemon }) => {
  await signOut(codex);
  const { body } = await daemon.client.readiness();
  expect(body).toEqual(NOT_SIGNED_IN);
  expect(JSON.stringify(body)).not.toContain(path.dirname(codex.home));
});

test('the list of models starts no check', async ({ codex, daemon }) => {
  await signOut(codex);
  expect((await daemon.client.models()).status).toBe(200);
  expect(await codex.recordings()).toEqual([]);
});

test('requests within ten seconds share one answer', async ({ codex, daemon }) => {
  await signOut(codex);
  const answers = await Promise.all([1, 2, 3].map(() => daemon.client.readiness()));
  expect(answers.map(({ body }) => body)).toEqual([NOT_SIGNED_IN, NOT_SIGNED_IN, NOT_SIGNED_IN]);
  expect(await asked(codex)).toBe(1);

  // A new login shows once the answer has expired.
  await codex.login(CHATGPT_LOGIN);
  expect((await daemon.client.readiness()).body).toEqual(NOT_SIGNED_IN);
  const now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockReturnValue(now + 10_000);
  onTestFinished(() => clock.mockRestore());
  expect((await daemon.client.readiness()).body).toMatchObject({ ready: true });
});

test('other settings start another check', async ({ codex }) => {
  expect(await checkCodexCli(stubbed(codex))).toMatchObject({ ready: true });
  const agentCliEnv = { CODEX_HOME: path.join(codex.scratch, 'absent') };
  await codex.play({ login: { text: 'Not logged in', exitCode: 1 }, exec: [] });
  expect(await checkCodexCli({ ...stubbed(codex), agentCliEnv })).toEqual(NOT_SIGNED_IN);
});

test('a failed check is not cached', async ({ codex }) => {
  const wrong = { ...stubbed(codex), executable: 'codex' };
  const outcomes = [1, 2].map(() => checkCodexCli(wrong).catch((error: unknown) => error));
  const [first, second] = await Promise.all(outcomes);
  expect(first).toMatchObject({ code: 'INVALID_OPTIONS' });
  expect(second).toBe(first);
  expect(await checkCodexCli(wrong).catch((error: unknown) => error)).not.toBe(first);
});

test('an override that cannot be read rejects instead of throwing', async () => {
  const unreadable = {
    get executable(): string {
      throw new Error('no such setting');
    },
  };
  await expect(checkCodexCli(unreadable)).rejects.toThrow('no such setting');
});
