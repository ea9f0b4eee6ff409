// Timeout and abort: the call rejects once, and leaves no process, directory or listener.
// `cancel-moments` has an abort at every moment of a call, `process/tree` the trees that resist
// one.

import path from 'node:path';

import { describe, expect, onTestFinished } from 'vitest';

import { generateCodexImage, setMaxConcurrentRuns } from '../../index.js';
import { listenersOf, rejection } from '../support/call/abort.js';
import { NOWHERE, WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { HANG, TERMINATION_SIGNALS, RUNNING, save, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';
import type { StubScript, Step } from '../support/stub/stub-script.js';

// The tests run concurrently, and none should wait in the queue.
setMaxConcurrentRuns(1000);

describe('an abort', () => {
  test('rejects with its reason and leaves no listener', async ({ codex }) => {
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    const call = codex.generate(turn(RUNNING, HANG), { signal: controller.signal });
    await codex.reached('running');
    controller.abort(reason);
    expect((await rejection(call)).reason).toBe(reason);
    expect(listenersOf(controller.signal)).toBe(0);
  });

  describe('the rejection', () => {
    test.for<[what: string, reason: unknown]>([
      ['an error', new RangeError('out of time')],
      ['a string', 'enough'],
      ['an empty string', ''],
      ['a number', 0],
      ['NaN', NaN],
      ['false', false],
      ['null', null],
      ['a symbol', Symbol('enough')],
      ['a bigint', 10n],
      ['an object', Object.freeze({ because: 'enough' })],
      ['a function', () => 'enough'],
    ])('is the given reason itself: %s', async ([, reason], { codex }) => {
      const before = AbortSignal.abort(reason);
      expect((await rejection(codex.generate(turn(), { signal: before }))).reason).toBe(reason);

      const during = new AbortController();
      const call = codex.generate(turn(RUNNING, HANG), { signal: during.signal });
      await codex.reached('running');
      during.abort(reason);
      expect((await rejection(call)).reason).toBe(reason);
    });

    test('has the AbortError of JavaScript where no reason was given', async ({ codex }) => {
      const controller = new AbortController();
      const call = codex.generate(turn(RUNNING, HANG), { signal: controller.signal });
      await codex.reached('running');
      controller.abort();
      const { reason } = await rejection(call);
      expect(reason).toBe(controller.signal.reason);
      expect(reason).toMatchObject({ name: 'AbortError' });
    });

    test('has the TimeoutError of AbortSignal.timeout', async ({ codex }) => {
      const signal = AbortSignal.timeout(50);
      const { reason } = await rejection(codex.generate(turn(HANG), { signal }));
      expect(reason).toBe(signal.reason);
      expect(reason).toMatchObject({ name: 'TimeoutError' });
    });

    test('has the reason of the aborted one of AbortSignal.any', async ({ codex }) => {
      const controllers = [new AbortController(), new AbortController()] as const;
      const signal = AbortSignal.any(controllers.map((controller) => controller.signal));
      const call = codex.generate(turn(RUNNING, HANG), { signal });
      await codex.reached('running');
      controllers[1].abort('the other');
      expect((await rejection(call)).reason).toBe('the other');
    });
  });

  describe('the signal', () => {
    test('calls onabort and other listeners once, and keeps them', async ({ codex }) => {
      const controller = new AbortController();
      const { signal } = controller;
      const called: string[] = [];
      // oxlint-disable-next-line unicorn/prefer-add-event-listener -- this property is what must stay
      signal.onabort = () => called.push('onabort');
      signal.addEventListener('abort', () => called.push('listener'));
      const listeners = listenersOf(signal);

      const call = codex.generate(turn(RUNNING, HANG), { signal });
      await codex.reached('running');
      controller.abort('enough');
      await rejection(call);
      expect(called).toEqual(['onabort', 'listener']);
      expect(listenersOf(signal)).toBe(listeners);
    });

    test.for<[end: string, steps: Step[], options: { codexPath?: string; aspect?: string }]>([
      ['a success', turn(save('workspace', PICTURE)), {}],
      ['an image that ends the turn', turn(save('store', PICTURE), HANG), {}],
      ['a failure', [{ do: 'exit', code: 1 }], {}],
      ['a CLI that is not there', [], { codexPath: path.join(NOWHERE, 'codex') }],
      ['bad options', [], { aspect: 'wide' }],
    ])('has no listener left after %s', async ([, steps, options], { codex }) => {
      const { signal } = new AbortController();
      await Promise.allSettled([codex.generate(steps, { ...options, signal })]);
      expect(listenersOf(signal)).toBe(0);
    });

    test('can end many calls', async ({ codex }) => {
      const warnings: Error[] = [];
      const warn = (warning: Error) => warnings.push(warning);
      process.on('warning', warn);
      onTestFinished(() => void process.off('warning', warn));

      const controller = new AbortController();
      await codex.play(turn(RUNNING, HANG));
      const options = codex.options({ signal: controller.signal });
      const calls = Array.from({ length: 8 }, () => generateCodexImage(options));
      await codex.reached('running');
      controller.abort('all of you');
      const reasons = await Promise.all(calls.map(rejection));
      expect(reasons).toEqual(calls.map(() => ({ reason: 'all of you' })));
      await codex.expectNothingLeft();
      expect(listenersOf(controller.signal)).toBe(0);
      expect(warnings).toEqual([]);
    });
  });
});

// Concurrent, because they mostly wait. vitest then needs each test's own `expect`.
describe.concurrent('timeoutMs', () => {
  /** Long enough for the stub to reach its mark, which each test checks. */
  const timeoutMs = 10_000;

  test('includes the time of asking for the login', async ({ codex, expect }) => {
    await codex.login(null);
    const script: StubScript = { login: 'silent', exec: turn(save('store', PICTURE)) };
    const error = await failure(codex.generate(script, { timeoutMs }));
    expect(error).toMatchObject({ code: 'TIMEOUT', status: 504, retryable: true });
    expect(codex.hasReached('asked')).toBe(true);
    await codex.expectNothingLeft();
  });

  test('includes the time before a process is started', async ({ codex, expect }) => {
    const error = await failure(codex.generate(turn(HANG), { timeoutMs: 1 }));
    expect(error).toMatchObject({ code: 'TIMEOUT', status: 504, retryable: true });
    await codex.expectNothingLeft();
  });

  test("includes the time after the image, completion 'exit'", async ({ codex, expect }) => {
    const steps = turn(save('store', PICTURE), RUNNING, HANG);
    const error = await failure(codex.generate(steps, { timeoutMs, completion: 'exit' }));
    expect(error).toMatchObject({ code: 'TIMEOUT' });
    expect(codex.hasReached('running')).toBe(true);
  });

  test('has an error that says how far Codex came', async ({ codex, expect }) => {
    const { threadId } = await failure(codex.generate(turn(RUNNING, HANG), { timeoutMs }));
    expect(threadId).toBe((await codex.turn()).threadId);
  });

  test('leaves no listener on the signal', async ({ codex, expect }) => {
    const { signal } = new AbortController();
    await failure(codex.generate(turn(HANG), { timeoutMs: 300, signal }));
    expect(listenersOf(signal)).toBe(0);
  });
});

describe('killGraceMs', () => {
  // Windows has no signal that asks a process to end.
  test.skipIf(WINDOWS)('gives Codex the time to clean up', async ({ codex }) => {
    const controller = new AbortController();
    const steps = turn({ do: 'exitOn', signals: ['SIGTERM'] }, RUNNING, HANG);
    const call = codex.generate(steps, { signal: controller.signal, killGraceMs: 30_000 });
    await codex.reached('running');
    controller.abort('enough');
    await rejection(call);
    expect(codex.hasReached('stopped by SIGTERM')).toBe(true);
  });

  test('gives no time if it is 0', async ({ codex }) => {
    const controller = new AbortController();
    const steps = turn({ do: 'ignore', signals: TERMINATION_SIGNALS }, RUNNING, HANG);
    const call = codex.generate(steps, { signal: controller.signal, killGraceMs: 0 });
    await codex.reached('running');
    controller.abort('enough');
    expect((await rejection(call)).reason).toBe('enough');
    await codex.expectNothingLeft();
  });
});
