// How many calls run at a time, and in which order. The queue is one for each process: this file
// needs its own.

import path from 'node:path';

import { afterEach, describe, expect, onTestFinished } from 'vitest';

import {
  generateCodexImage,
  generateCodexImageDetailed,
  type GenerateOptions,
  setMaxConcurrentRuns,
} from '../../index.js';
import { NOWHERE } from '../support/platform.js';
import { png } from '../support/image/small-png.js';
import { failure, listener } from '../support/call/outcome.js';
import { RUNNING, save, turn } from '../support/stub/steps.js';
import { StubCodex, test } from '../support/stub/stub.js';
import type { Recording, Step } from '../support/stub/stub-script.js';

const DEFAULT_LIMIT = 2;
const GATE: Step = { do: 'await', gate: 'end' };

afterEach(() => setMaxConcurrentRuns(DEFAULT_LIMIT));

/** One call with its own stub, which runs until its gate opens. */
interface Caller {
  codex: StubCodex;
  picture: Buffer;
  outcome: Promise<Buffer>;
  progress: ReturnType<typeof listener>;
}

/** For `expect.poll`: waits as long as a busy machine needs. */
const POLLING = { timeout: 30_000, interval: 5 };

/** Makes `count` calls, each after the first event of the one before. */
async function callers(count: number, options: Partial<GenerateOptions> = {}): Promise<Caller[]> {
  const all: Caller[] = [];
  for (const caller of await prepare(count, options)) {
    all.push(caller());
    await expect.poll(() => all.at(-1)?.progress.events.length, POLLING).toBeGreaterThan(0);
  }
  return all;
}

/** Prepares `count` calls, each made by its function. */
async function prepare(
  count: number,
  options: Partial<GenerateOptions> = {},
): Promise<(() => Caller)[]> {
  const stubs = await Promise.all(Array.from({ length: count }, () => StubCodex.create()));
  const outcomes: Promise<Buffer>[] = [];
  onTestFinished(async () => {
    await Promise.all(stubs.map((codex) => codex.open('end')));
    await Promise.allSettled(outcomes);
    await Promise.all(stubs.map((codex) => codex.close()));
  });
  const draw = async (codex: StubCodex, seed: number) => {
    const picture = png({ seed });
    await codex.play(turn(RUNNING, GATE, save('store', picture)));
    return (): Caller => {
      const progress = listener();
      const given = codex.options({ timeoutMs: 60_000, completion: 'exit', ...options });
      const outcome = generateCodexImage(given, progress.onProgress);
      // Awaited later. Until then it must not count as unhandled.
      outcome.catch(() => {});
      outcomes.push(outcome);
      return { codex, picture, outcome, progress };
    };
  };
  return Promise.all(stubs.map((codex, n) => draw(codex, n + 1)));
}

/** Returns the numbers of the calls that have started Codex. */
async function started(all: Caller[]): Promise<number[]> {
  const recordings = await Promise.all(all.map(({ codex }) => codex.recordings()));
  return [...recordings.keys()].filter((n) => recordings[n]?.length !== 0);
}

/** The positions in the queue that were reported, in order. */
function positions({ progress }: Caller): number[] {
  const queued = progress.events.filter(({ phase }) => phase === 'queued');
  return queued.map(({ message }) => Number(/number (\d+) in the queue/.exec(message)?.[1]));
}

/** Resolves when that position was reported. */
async function told(caller: Caller, position: number): Promise<void> {
  await expect.poll(() => positions(caller).at(-1), POLLING).toBe(position);
}

async function finish({ codex, outcome, picture }: Caller): Promise<void> {
  await codex.reached('running');
  await codex.open('end');
  expect(await outcome).toEqual(picture);
}

/** Returns how many ran at the same time at most. */
function mostAtATime(recordings: Recording[]): number {
  const moments = recordings.flatMap(({ startedAt, endedAt = NaN }) => {
    expect(endedAt).toBeGreaterThan(startedAt);
    return [
      { at: startedAt, change: 1 },
      { at: endedAt, change: -1 },
    ];
  });
  let now = 0;
  let most = 0;
  for (const { change } of moments.toSorted((a, b) => a.at - b.at)) {
    now += change;
    most = Math.max(most, now);
  }
  return most;
}

describe('the limit', () => {
  test('is 2 by default', async () => {
    const all = await callers(4);
    await Promise.all(all.slice(0, 2).map(({ codex }) => codex.reached('running')));
    await told(all[3] as Caller, 2);
    expect(await started(all)).toEqual([0, 1]);
    await Promise.all(all.map(finish));
  });

  test.for([1, 2, 3])('is not exceeded: %i', async (limit) => {
    setMaxConcurrentRuns(limit);
    const all = await callers(7);
    await Promise.all(all.slice(0, limit).map(({ codex }) => codex.reached('running')));
    await told(all[6] as Caller, 7 - limit);
    expect(await started(all)).toHaveLength(limit);

    await Promise.all(all.map(finish));
    const recordings = await Promise.all(all.map(({ codex }) => codex.turn()));
    expect(mostAtATime(recordings)).toBe(limit);
  });

  test('lets a call start while there are free slots', async () => {
    setMaxConcurrentRuns(3);
    const all = await callers(3);
    await Promise.all(all.map(({ codex }) => codex.reached('running')));
    expect(all.map(positions)).toEqual([[], [], []]);
    await Promise.all(all.map(finish));
  });

  test('counts no call that has failed', async ({ codex }) => {
    setMaxConcurrentRuns(1);
    const fails = { ...codex.options(), codexPath: path.join(NOWHERE, 'codex') };
    const calls = Array.from({ length: 5 }, () => failure(generateCodexImage(fails)));
    for (const { code } of await Promise.all(calls)) expect(code).toBe('CODEX_NOT_FOUND');
    const picture = png();
    expect(await codex.generate(turn(save('store', picture)))).toEqual(picture);
  });

  test('lets twenty calls in one home each get its own image', async ({ codex }) => {
    const all = (await prepare(20, { codexHome: codex.home })).map((call) => call());
    // None ends before as many run as may.
    await expect.poll(async () => (await started(all)).length, POLLING).toBe(DEFAULT_LIMIT);
    await Promise.all(all.map(finish));
    const recordings = await Promise.all(all.map((caller) => caller.codex.turn()));
    expect(mostAtATime(recordings)).toBe(DEFAULT_LIMIT);
    for (const { env } of recordings) expect(env).toMatchObject({ CODEX_HOME: codex.home });
  });
});

describe('the queue', () => {
  test('is first come, first served', async () => {
    setMaxConcurrentRuns(1);
    const all = await callers(6);
    for (const caller of all) {
      await caller.codex.reached('running');
      expect(await started(all)).toEqual([...all.keys()].slice(0, all.indexOf(caller) + 1));
      await finish(caller);
    }
  });

  test('is first come, first served for calls of the same tick', async () => {
    setMaxConcurrentRuns(1);
    const all = (await prepare(12)).map((call) => call());
    await Promise.all(all.map(finish));
    const turns = await Promise.all(all.map(({ codex }) => codex.turn()));
    const order = turns.toSorted((a, b) => a.startedAt - b.startedAt);
    expect(order.map((recording) => turns.indexOf(recording))).toEqual([...all.keys()]);
  });

  test('reports each change of a position', async () => {
    setMaxConcurrentRuns(1);
    const all = await callers(4);
    for (const [n, caller] of all.entries()) {
      await caller.codex.reached('running');
      await Promise.all(all.slice(n + 1).map((waiting, ahead) => told(waiting, ahead + 1)));
      await finish(caller);
    }
    expect(all.map(positions)).toEqual([[], [1], [2, 1], [3, 2, 1]]);
  });

  test('is left before a call does anything else', async () => {
    setMaxConcurrentRuns(1);
    const [first, second] = (await callers(2)) as [Caller, Caller];
    await told(second, 1);
    expect(second.progress.events.map(({ phase }) => phase)).toEqual(['queued']);
    expect(second.codex.runDirs()).toEqual([]);
    expect(second.progress.events[0]).not.toHaveProperty('threadId');
    await finish(first);
    await finish(second);
    const phases = second.progress.events.map(({ phase }) => phase);
    expect(phases.slice(0, 2)).toEqual(['queued', 'preflight']);
  });

  test('is part of the timings', async ({ codex }) => {
    setMaxConcurrentRuns(1);
    const [first] = (await callers(1)) as [Caller];
    await first.codex.reached('running');
    await codex.play(turn(save('store', first.picture)));
    const { onProgress, events } = listener();
    const second = generateCodexImageDetailed(codex.options(), onProgress);
    await expect.poll(() => events.length, POLLING).toBeGreaterThan(0);
    await finish(first);
    const { queueMs, totalMs } = (await second).timings;
    const left = events.find(({ phase }) => phase === 'preflight')?.elapsedMs ?? NaN;
    expect(queueMs).toBeGreaterThan(0);
    expect(queueMs).toBeLessThanOrEqual(left);
    expect(queueMs).toBeLessThan(totalMs);
  });
});

describe('a call that ends while it is queued', () => {
  test('starts nothing and lets the others move up after an abort', async () => {
    setMaxConcurrentRuns(1);
    const controller = new AbortController();
    const [first] = (await callers(1)) as [Caller];
    const [cancelled] = (await callers(1, { signal: controller.signal })) as [Caller];
    await told(cancelled, 1);
    const [third] = (await callers(1)) as [Caller];
    await told(third, 2);

    controller.abort('enough');
    await expect(cancelled.outcome).rejects.toBe('enough');
    expect(await cancelled.codex.recordings()).toEqual([]);
    await told(third, 1);

    await finish(first);
    await finish(third);
    expect(await cancelled.codex.recordings()).toEqual([]);
  });

  test('starts nothing and lets the others move up after a timeout', async () => {
    setMaxConcurrentRuns(1);
    const [first] = (await callers(1)) as [Caller];
    await first.codex.reached('running');
    const [timedOut] = (await callers(1, { timeoutMs: 1500 })) as [Caller];
    const [third] = (await callers(1)) as [Caller];
    expect(await failure(timedOut.outcome)).toMatchObject({
      code: 'TIMEOUT',
      status: 504,
      retryable: true,
    });
    expect(await timedOut.codex.recordings()).toEqual([]);
    await told(third, 1);
    await finish(first);
    await finish(third);
  });

  test('leaves the queue together with others', async () => {
    setMaxConcurrentRuns(1);
    const controller = new AbortController();
    const [first] = (await callers(1)) as [Caller];
    await first.codex.reached('running');
    const cancelled = await callers(5, { signal: controller.signal });
    await told(cancelled[4] as Caller, 5);
    controller.abort('enough');
    const outcomes = await Promise.allSettled(cancelled.map(({ outcome }) => outcome));
    expect(outcomes).toEqual(cancelled.map(() => ({ status: 'rejected', reason: 'enough' })));
    await finish(first);
    const [last] = (await callers(1)) as [Caller];
    await finish(last);
    expect(positions(last)).toEqual([]);
  });
});

test('a running call that is aborted lets the next one start when nothing of it is left', async () => {
  setMaxConcurrentRuns(1);
  const controller = new AbortController();
  const [cancelled] = (await callers(1, { signal: controller.signal })) as [Caller];
  await cancelled.codex.reached('running');
  const [next] = (await callers(1)) as [Caller];
  await told(next, 1);
  controller.abort('enough');
  await next.codex.reached('running');
  expect(cancelled.codex.survivors()).toEqual([]);
  await expect(cancelled.outcome).rejects.toBe('enough');
  await finish(next);
});

describe('a new limit', () => {
  test('starts queued calls in order if it is higher', async () => {
    setMaxConcurrentRuns(1);
    const all = await callers(5);
    await told(all[4] as Caller, 4);
    setMaxConcurrentRuns(3);
    await Promise.all(all.slice(0, 3).map(({ codex }) => codex.reached('running')));
    await told(all[4] as Caller, 2);
    expect(await started(all)).toEqual([0, 1, 2]);
    await Promise.all(all.map(finish));
  });

  test('stops no call if it is lower, and holds from then on', async () => {
    setMaxConcurrentRuns(2);
    const all = (await callers(4)) as [Caller, Caller, Caller, Caller];
    const [first, second, third, fourth] = all;
    await Promise.all([first.codex.reached('running'), second.codex.reached('running')]);
    setMaxConcurrentRuns(1);
    await told(fourth, 2);
    await finish(first);
    expect(await started(all)).toEqual([0, 1]);
    await finish(second);
    await third.codex.reached('running');
    await told(fourth, 1);
    expect(await started(all)).toEqual([0, 1, 2]);
    await finish(third);
    await finish(fourth);
  });

  test.for([1, 1000])('may be %i', (limit) => {
    expect(setMaxConcurrentRuns(limit)).toBeUndefined();
  });

  test('changes nothing if it is refused', async () => {
    setMaxConcurrentRuns(1);
    expect(() => setMaxConcurrentRuns(5.5)).toThrow(TypeError);
    const all = await callers(2);
    await told(all[1] as Caller, 1);
    expect((await started(all)).length).toBeLessThanOrEqual(1);
    await Promise.all(all.map(finish));
  });
});
