// How many lines of progress reach the daemon, which writes each to its database.

import { afterEach, beforeEach, describe, expect, vi } from 'vitest';

import { renderCodexCliImage } from '../../dist/open-design.mjs';
import { Throttle } from '../../open-design/progress.mjs';
import { PICTURE } from '../support/image/small-png.js';
import { save, say, turn } from '../support/stub/steps.js';
import type { Step } from '../support/stub/stub-script.js';
import { stubbed, test } from './support/daemon.js';

const CONTEXT = { surface: 'image', prompt: 'a red fox' };

function stopTheClock(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
}

describe('the throttle, by a clock of the test', () => {
  const lines: string[] = [];
  let throttle: Throttle;
  beforeEach(() => {
    stopTheClock();
    lines.length = 0;
    throttle = new Throttle((line) => void lines.push(line));
  });
  afterEach(() => void vi.useRealTimers());

  test('passes the first line at once', () => {
    throttle.add('a');
    expect(lines).toEqual(['a']);
  });

  test('passes the latest line once a second', () => {
    for (const line of ['a', 'b', 'c']) throttle.add(line);
    vi.advanceTimersByTime(999);
    expect(lines).toEqual(['a']);
    vi.advanceTimersByTime(1);
    expect(lines).toEqual(['a', 'c']);
    for (const line of ['d', 'e']) throttle.add(line);
    vi.advanceTimersByTime(1000);
    expect(lines).toEqual(['a', 'c', 'e']);
  });

  test('passes the next line at once after a silence', () => {
    throttle.add('a');
    vi.advanceTimersByTime(1000);
    throttle.add('b');
    expect(lines).toEqual(['a', 'b']);
  });

  test('drops the waiting line at the end, and leaves no timer', () => {
    for (const line of ['a', 'b']) throttle.add(line);
    throttle.stop();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(10_000);
    expect(lines).toEqual(['a']);
  });

  test.for<[what: string, listener: (line: string) => unknown]>([
    [
      'throws',
      () => {
        throw new Error('the disk is full');
      },
    ],
    ['rejects', () => Promise.reject(new Error('the disk is full'))],
  ])('still calls a listener that %s', async ([, listener]) => {
    const listened = vi.fn<(line: string) => unknown>(listener);
    const fragile = new Throttle(listened);
    for (const line of ['a', 'b']) fragile.add(line);
    await vi.advanceTimersByTimeAsync(1000);
    expect(listened.mock.calls).toEqual([['a'], ['b']]);
    fragile.stop();
  });
});

test('a flood of messages is one line within a second', async ({ codex }) => {
  stopTheClock();
  try {
    await codex.play(turn({ do: 'messages', count: 1000 }, save('store', PICTURE)));
    const lines: string[] = [];
    await renderCodexCliImage(CONTEXT, (line) => void lines.push(line), stubbed(codex));
    expect(lines).toEqual([expect.stringMatching(/\S/)]);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('lines reach their clients single, short and a second apart', async ({ codex, daemon }) => {
  const long = `the last words:\n\n${'very '.repeat(100)}long`;
  const gate: Step = { do: 'await', gate: 'seen' };
  const words: Step[] = [{ do: 'messages', count: 100 }, say(long), gate];
  await codex.play(turn(...words, save('store', PICTURE)));

  const taskId = await daemon.client.start();
  const times: number[] = [];
  daemon.task(taskId).waiters.add(() => times.push(performance.now()));
  const lines: string[] = [];
  // The last line is always the latest.
  while (!lines.at(-1)?.startsWith('the last words')) {
    lines.push(...(await daemon.client.wait(taskId, lines.length)).progress);
  }
  await codex.open('seen');
  const { status, progress } = await daemon.client.follow(taskId);
  expect(status).toBe('done');
  for (const line of progress) {
    expect(line.length).toBeLessThanOrEqual(200);
    expect(line).toMatch(/^\S[^\n\r]*$/);
  }
  // A timer may be a millisecond early.
  const lineTimes = times.slice(0, -1);
  const gaps = lineTimes.slice(1).map((time, at) => time - (lineTimes[at] ?? NaN));
  expect(Math.min(...gaps)).toBeGreaterThan(990);
});

test.for([undefined, null])('onProgress may be %s', async (onProgress, { codex }) => {
  await codex.play(turn(save('store', PICTURE)));
  const { bytes } = await renderCodexCliImage(CONTEXT, onProgress, stubbed(codex));
  expect(bytes).toEqual(PICTURE);
});
