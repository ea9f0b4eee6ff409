// How much of the progress reaches the daemon, which writes every line to its database before it does anything else.

import { afterEach, beforeEach, describe, expect, vi } from 'vitest';

import { renderCodexCliImage } from '../../dist/open-design.mjs';
import { Throttle } from '../../open-design/progress.mjs';
import { png } from '../support/png.js';
import { save, say, type Step, turn } from '../support/stub.js';
import { stubbed, test } from './support/studio.js';

const PICTURE = png();
const CONTEXT = { surface: 'image', prompt: 'a red fox' };

function stopTheClock(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
}

describe('by a clock that only the test moves', () => {
  const heard: string[] = [];
  let throttle: Throttle;
  beforeEach(() => {
    stopTheClock();
    heard.length = 0;
    throttle = new Throttle((line) => void heard.push(line));
  });
  afterEach(() => void vi.useRealTimers());

  test('the first line comes at once', () => {
    throttle.add('a');
    expect(heard).toEqual(['a']);
  });

  test('then the latest, once a second', () => {
    for (const line of ['a', 'b', 'c']) throttle.add(line);
    vi.advanceTimersByTime(999);
    expect(heard).toEqual(['a']);
    vi.advanceTimersByTime(1);
    expect(heard).toEqual(['a', 'c']);
    for (const line of ['d', 'e']) throttle.add(line);
    vi.advanceTimersByTime(1000);
    expect(heard).toEqual(['a', 'c', 'e']);
  });

  test('after a silence the next one comes at once again', () => {
    throttle.add('a');
    vi.advanceTimersByTime(1000);
    throttle.add('b');
    expect(heard).toEqual(['a', 'b']);
  });

  test('what still waits in the end is dropped, and no timer is left', () => {
    for (const line of ['a', 'b']) throttle.add(line);
    throttle.stop();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(10_000);
    expect(heard).toEqual(['a']);
  });

  test.for<[what: string, listener: (line: string) => unknown]>([
    [
      'throws',
      () => {
        throw new Error('the disk is full');
      },
    ],
    ['rejects', () => Promise.reject(new Error('the disk is full'))],
  ])('a listener that %s hears the next one all the same', async ([, listener]) => {
    const listened = vi.fn<(line: string) => unknown>(listener);
    const fragile = new Throttle(listened);
    for (const line of ['a', 'b']) fragile.add(line);
    await vi.advanceTimersByTimeAsync(1000);
    expect(listened.mock.calls).toEqual([['a'], ['b']]);
    fragile.stop();
  });
});

test('a flood of words is one line where no time goes by', async ({ codex }) => {
  stopTheClock();
  try {
    await codex.order(turn({ do: 'messages', count: 1000 }, save('store', PICTURE)));
    const heard: string[] = [];
    await renderCodexCliImage(CONTEXT, (line) => void heard.push(line), stubbed(codex));
    expect(heard).toEqual([expect.stringMatching(/\S/)]);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('lines reach their followers single, short and a second apart', async ({ codex, studio }) => {
  const long = `the last words:\n\n${'very '.repeat(100)}long`;
  const gate: Step = { do: 'await', gate: 'heard' };
  const words: Step[] = [{ do: 'messages', count: 100 }, say(long), gate];
  await codex.order(turn(...words, save('store', PICTURE)));

  const taskId = await studio.client.start();
  const times: number[] = [];
  studio.task(taskId).waiters.add(() => times.push(performance.now()));
  const lines: string[] = [];
  // Whenever they come, the last words are the latest that there is.
  while (!lines.at(-1)?.startsWith('the last words')) {
    lines.push(...(await studio.client.wait(taskId, lines.length)).progress);
  }
  await codex.open('heard');
  const { status, progress } = await studio.client.follow(taskId);
  expect(status).toBe('done');
  for (const line of progress) {
    expect(line.length).toBeLessThanOrEqual(200);
    expect(line).toMatch(/^\S[^\n\r]*$/);
  }
  // A timer may be a millisecond early.
  const heard = times.slice(0, -1);
  const gaps = heard.slice(1).map((time, at) => time - (heard[at] ?? NaN));
  expect(Math.min(...gaps)).toBeGreaterThan(990);
});

test.for([undefined, null])('nobody has to listen: %s', async (onProgress, { codex }) => {
  await codex.order(turn(save('store', PICTURE)));
  const { bytes } = await renderCodexCliImage(CONTEXT, onProgress, stubbed(codex));
  expect(bytes).toEqual(PICTURE);
});
