// An abort at any moment of a call: it rejects with the given reason and leaves nothing. `queue`
// has aborts of queued calls, `cancel` process trees that are hard to stop.

import { mkdir, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { generateCodexImage, type GenerateOptions, type ProgressEvent } from '../../index.js';
import { listenersOf, rejection } from '../support/call/abort.js';
import { WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { HANG, RUNNING, save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { StubScript, Step } from '../support/stub/stub-script.js';

async function expectAborted(
  codex: StubCodex,
  call: Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  expect(await rejection(call)).toEqual({ reason: 'enough' });
  await codex.expectNothingLeft();
  expect(listenersOf(signal)).toBe(0);
}

describe('an early abort', () => {
  test('starts no process', async ({ codex }) => {
    const signal = AbortSignal.abort('enough');
    await expectAborted(codex, codex.generate(turn(), { signal }), signal);
    expect(await codex.recordings()).toEqual([]);
  });

  test('ends a call that was made in the same tick', async ({ codex }) => {
    const controller = new AbortController();
    const { signal } = controller;
    await codex.play(turn(RUNNING, HANG));
    const call = generateCodexImage(codex.options({ signal }));
    controller.abort('enough');
    await expectAborted(codex, call, signal);
  });
});

describe('an abort', () => {
  const LONG_PROMPT = `a red fox ${'and another '.repeat(100_000)}`;

  test.for<[when: string, mark: string, script: StubScript, options?: Partial<GenerateOptions>]>([
    ['asking for the login', 'asked', { login: 'silent', exec: [] }],
    ['writing the prompt', 'running', { stdin: 'ignore', exec: [RUNNING, HANG] }],
    ['running, before the thread has started', 'running', { exec: [RUNNING, HANG] }],
    [
      'running, and Codex talks',
      'running',
      { exec: turn(RUNNING, { do: 'messages', count: 5000 }, HANG) },
    ],
    [
      'running, and the image is being written',
      'running',
      { exec: turn(save('store', PICTURE.subarray(0, 50)), RUNNING, HANG) },
    ],
    [
      "running, and the image is there, completion 'exit'",
      'running',
      { exec: turn(save('store', PICTURE), RUNNING, HANG) },
      { completion: 'exit' },
    ],
  ])('ends a call that is %s', async ([, mark, script, options], { codex }) => {
    if (script.login === 'silent') await codex.login(null);
    const controller = new AbortController();
    const { signal } = controller;
    const call = codex.generate(script, { signal, prompt: LONG_PROMPT, ...options });
    await codex.reached(mark);
    controller.abort('enough');
    await expectAborted(codex, call, signal);
  });

  test.for<[when: string, phase: ProgressEvent['phase'], steps: Step[]]>([
    ['looking for Codex', 'preflight', turn(HANG)],
    ['spawning', 'starting', turn(HANG)],
    ['cleaning up, after the image', 'stopping', turn(save('store', PICTURE), HANG)],
    ['checking', 'checking', turn(save('workspace', PICTURE))],
    ['checking what is no image', 'checking', turn(save('workspace', Buffer.from('no')))],
  ])('ends a call that is %s', async ([, phase, steps], { codex }) => {
    const controller = new AbortController();
    const { signal } = controller;
    const call = codex.generate(steps, { signal }, (_message, event) => {
      if (event.phase === phase) controller.abort('enough');
    });
    await expectAborted(codex, call, signal);
  });

  test('ends a call that is cleaning up after its timeout', async ({ codex }) => {
    const controller = new AbortController();
    const { signal } = controller;
    const steps = turn({ do: 'ignore', signals: ['SIGTERM'] }, HANG);
    const options = { signal, timeoutMs: 1000, killGraceMs: 300 };
    const call = codex.generate(steps, options, (_message, { phase }) => {
      if (phase === 'stopping') controller.abort('enough');
    });
    await expectAborted(codex, call, signal);
  });
});

// On Windows the file would occupy as much of the disk as it claims.
describe.skipIf(WINDOWS)('a provenance check that takes very long', () => {
  const ID = '0199d2c4-aaaa-7000-8000-0123456789ab';
  /** The agent's copy is looked up in a rollout of 1 TiB. */
  const STEPS: Step[] = [{ do: 'thread', id: ID, states: null }, save('workspace', PICTURE)];

  async function leaveGiantRollout(codex: StubCodex): Promise<void> {
    const directory = path.join(codex.home, 'sessions/2026/03/09');
    await mkdir(directory, { recursive: true });
    const file = path.join(directory, `rollout-2026-03-09T10-11-12-${ID}.jsonl`);
    await writeFile(file, '');
    await truncate(file, 2 ** 40);
  }

  test.for(['image', 'exit'] as const)(
    "ends with the abort, completion '%s'",
    async (completion, { codex }) => {
      await leaveGiantRollout(codex);
      const controller = new AbortController();
      const { signal } = controller;
      const call = codex.generate(STEPS, { signal, completion }, (_message, { phase }) => {
        if (phase === 'checking') controller.abort('enough');
      });
      await expectAborted(codex, call, signal);
    },
  );

  test.for(['image', 'exit'] as const)(
    "ends with the timeout, completion '%s'",
    async (completion, { codex }) => {
      await leaveGiantRollout(codex);
      const call = codex.generate(STEPS, { timeoutMs: 5000, completion });
      expect(await failure(call)).toMatchObject({ code: 'TIMEOUT', threadId: ID });
      await codex.expectNothingLeft();
    },
  );
});

describe('a late abort', () => {
  test('does not replace the first reason', async ({ codex }) => {
    const controller = new AbortController();
    const { signal } = controller;
    const call = codex.generate(turn(RUNNING, HANG), { signal });
    await codex.reached('running');
    controller.abort('enough');
    controller.abort('more than enough');
    await expectAborted(codex, call, signal);
  });

  test('changes nothing after the call has settled', async ({ codex }) => {
    const controller = new AbortController();
    const { signal } = controller;
    expect(await codex.generate(turn(save('workspace', PICTURE)), { signal })).toEqual(PICTURE);
    expect(listenersOf(signal)).toBe(0);
    controller.abort();
    await failure(codex.generate([{ do: 'exit', code: 1 }], { signal: null }));
  });
});
