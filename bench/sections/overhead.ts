// The time that a call takes beyond that of its child process, and how many calls end per second.

import { generateCodexImage, setMaxConcurrentRuns } from '../../index.js';
import type { Row, Section } from '../report.js';
import { median, timed } from '../statistics.js';
import { makeStubEnvironment, PROMPT, runBare, COMPILED_STUB } from '../stubs.js';

const RUNS = 30;
const MOST_MS = 10;

const CONCURRENCIES = [1, 4, 16];
const ROUNDS = 5;
/** Calls in one round, at every concurrency. */
const CALLS = 64;

type Way = 'ours' | 'bare';
type Ways = Record<Way, () => Promise<unknown>>;

export async function overhead(): Promise<Section> {
  const callEnv = await makeStubEnvironment(10, 0);
  const ways: Ways = {
    // Both wait for the exit of the stub.
    ours: () =>
      generateCodexImage({
        prompt: PROMPT,
        codexPath: COMPILED_STUB,
        env: callEnv.env,
        completion: 'exit',
      }),
    bare: () => runBare(callEnv),
  };
  const times: Record<Way, number[]> = { ours: [], bare: [] };
  const rates: Row[] = [];
  try {
    // Warms up: code is loaded and compiled only once.
    await ways.bare();
    await ways.ours();
    for (let run = 0; run < RUNS; run += 1) {
      for (const way of inTurn(run)) times[way].push(await timed(ways[way]));
    }
    for (const concurrency of CONCURRENCIES) rates.push(await rateOf(ways, concurrency));
  } finally {
    await callEnv.remove();
  }
  return {
    title: 'Overhead of a call',
    text:
      'A stub Codex (a small program that reads its prompt, prints ten events and leaves a ' +
      "picture of one pixel) is run through the addon, and bare with Node's `spawn`: its prompt " +
      'written to stdin, its stdout read to the end, its exit awaited. One call at a time, in ' +
      'turn. The difference is preflight, workspace, checks and clean-up. Calls per second are ' +
      `those of ${CALLS} calls, with the given number at a time.`,
    rows: [
      {
        what: 'one call',
        headline: 'A call with a stub Codex, against bare `spawn`',
        unit: 'ms',
        ours: median(times.ours),
        peer: { name: 'bare', value: median(times.bare) },
        compared: 'difference',
        limit: { of: 'comparison', most: MOST_MS },
        runs: RUNS,
      },
      ...rates,
    ],
  };
}

/** Measures how many calls end per second. */
async function rateOf(ways: Ways, concurrency: number): Promise<Row> {
  const rates: Record<Way, number[]> = { ours: [], bare: [] };
  setMaxConcurrentRuns(concurrency);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const way of inTurn(round)) {
      const ms = await timed(() => callsOf(ways[way], concurrency));
      rates[way].push(CALLS / (ms / 1000));
    }
  }
  return {
    what: `calls, ${concurrency} at a time`,
    unit: 'calls/s',
    ours: median(rates.ours),
    peer: { name: 'bare', value: median(rates.bare) },
    compared: 'ratio',
    runs: ROUNDS,
  };
}

/** Makes all calls; when one ends, the next one starts. */
async function callsOf(call: () => Promise<unknown>, concurrency: number): Promise<void> {
  let left = CALLS;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await call();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}

/** Alternates the order, so that neither always runs second. */
function inTurn(round: number): Way[] {
  return round % 2 === 0 ? ['bare', 'ours'] : ['ours', 'bare'];
}
