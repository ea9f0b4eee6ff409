// What a call costs beyond the process it starts.

import { generateCodexImage } from '../index.js';
import type { Section } from './report.js';
import { median, timed } from './statistics.js';
import { makeStubPlace, PROMPT, runBare, STUB } from './stubs.js';

const RUNS = 30;
const MOST_MS = 10;

export async function overhead(): Promise<Section> {
  const place = await makeStubPlace(10, 0);
  const ways = {
    // Both wait until the stub has exited by itself.
    ours: () =>
      generateCodexImage({
        prompt: PROMPT,
        codexPath: STUB,
        env: place.env,
        completion: 'exit',
      }),
    bare: () => runBare(place),
  };
  const times: Record<keyof typeof ways, number[]> = { ours: [], bare: [] };
  try {
    // What is loaded and compiled only once is not a call's.
    await ways.bare();
    await ways.ours();
    for (let run = 0; run < RUNS; run += 1) {
      // Neither is always the one that comes after the other.
      const order = run % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const);
      for (const way of order) times[way].push(await timed(ways[way]));
    }
  } finally {
    await place.remove();
  }
  return {
    title: 'Overhead of a call',
    text:
      'A stub Codex (a small Node script that reads its prompt, prints ten events and leaves a picture of one pixel) is ' +
      "run through the addon, and bare with Node's `spawn`: its prompt written to stdin, its stdout read to the end, " +
      'its exit awaited. One call at a time, in turn. The difference is preflight, workspace, checks and clean-up.',
    rows: [
      {
        what: 'one call',
        unit: 'ms',
        ours: median(times.ours),
        peer: { name: 'bare', value: median(times.bare) },
        compared: 'difference',
        limit: { of: 'comparison', most: MOST_MS },
        runs: RUNS,
      },
    ],
  };
}
