// What a progress callback may do without harm to the call, and when it is no longer called.

import { setImmediate as turnOfTheLoop } from 'node:timers/promises';

import { describe, expect } from 'vitest';

import { type GenerateOptions, type OnProgress } from '../../index.js';
import { PICTURE } from '../support/image/small-png.js';
import { HANG, save, say, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

describe('onProgress', () => {
  const FLOOD: Step = { do: 'messages', count: 5000 };

  test.for<[end: string, steps: Step[], options: Partial<GenerateOptions>, abortAt?: number]>([
    ['a success', turn(FLOOD, save('workspace', PICTURE)), {}],
    ['an image that ends the turn', turn(save('store', PICTURE), FLOOD, FLOOD, HANG), {}],
    ['a failure', [...turn(FLOOD), { do: 'exit', code: 1 }], {}],
    ['a timeout', turn(FLOOD, HANG), { timeoutMs: 1000 }],
    ['an abort', turn(FLOOD, FLOOD, HANG), {}, 100],
  ])('is not called any more after %s', async ([, steps, options, abortAt], { codex }) => {
    const controller = new AbortController();
    let settled = false;
    let late = 0;
    let calls = 0;
    const call = codex.generate(steps, { ...options, signal: controller.signal }, () => {
      calls += 1;
      if (calls === abortAt) controller.abort();
      if (settled) late += 1;
    });
    const settle = () => (settled = true);
    await call.then(settle, settle);
    // Queued events would arrive within the next turns of the event loop.
    for (let n = 0; n < 20; n += 1) await turnOfTheLoop();
    expect(late).toBe(0);
    expect(calls).toBeGreaterThan(0);
  });
});

describe('a callback', () => {
  test.for<[what: string, onProgress: OnProgress]>([
    [
      'throws',
      () => {
        throw new Error('boom');
      },
    ],
    [
      'throws what is no error',
      () => {
        // oxlint-disable-next-line no-throw-literal
        throw null;
      },
    ],
    ['returns a rejected promise', () => Promise.reject(new Error('boom')) as unknown as void],
    ['is async and throws', async () => Promise.reject(new Error('boom'))],
    [
      'is slow',
      () => {
        const until = performance.now() + 20;
        while (performance.now() < until);
      },
    ],
    ['returns something', (() => 42) as unknown as OnProgress],
  ])('%s, and the generation completes', async ([, onProgress], { codex }) => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note).on('uncaughtException', note);
    try {
      const steps = turn({ do: 'messages', count: 10 }, save('workspace', PICTURE));
      expect(await codex.generate(steps, {}, onProgress)).toEqual(PICTURE);
      for (let n = 0; n < 5; n += 1) await turnOfTheLoop();
    } finally {
      process.off('unhandledRejection', note).off('uncaughtException', note);
    }
    expect(unhandled).toEqual([]);
  });

  test('is called again after it has thrown', async ({ codex }) => {
    let messages = 0;
    const steps = turn({ do: 'messages', count: 10 }, save('workspace', PICTURE));
    await codex.generate(steps, {}, (_message, { phase }) => {
      if (phase === 'message') messages += 1;
      throw new Error('boom');
    });
    expect(messages).toBe(10);
  });

  test('may abort its own call', async ({ codex }) => {
    const controller = new AbortController();
    const { signal } = controller;
    const call = codex.generate(turn(say('hello'), HANG), { signal }, (_message, { phase }) => {
      if (phase === 'message') controller.abort('enough');
    });
    await expect(call).rejects.toBe('enough');
  });

  test('may start another call', async ({ codex }) => {
    const calls: Promise<Buffer>[] = [];
    const steps = turn(say('hello'), save('workspace', PICTURE));
    await codex.generate(steps, {}, (_message, { phase }) => {
      if (phase === 'message') calls.push(codex.generate(steps));
    });
    expect(await Promise.all(calls)).toEqual([PICTURE]);
  });
});
