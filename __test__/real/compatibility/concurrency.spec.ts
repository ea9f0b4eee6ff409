// Many calls at once: each gets its own image, and the limit of Codex processes holds.

import { afterEach, expect } from 'vitest';

import { generateCodexImage, setMaxConcurrentRuns } from '../../../index.js';
import { draw, talk } from '../../support/loopback/backend.js';
import { makePng } from '../../support/image/picture.js';
import { type RealCodex, test } from '../../support/real/real.js';
import { VERSIONS } from './versions.js';

const DEFAULT_LIMIT = 2;
const PICTURES = Array.from({ length: 20 }, (_, seed) => makePng({ width: 96, height: 64, seed }));
const ENDLESS = talk(600_000);

afterEach(() => setMaxConcurrentRuns(DEFAULT_LIMIT));

const ENDS = new Set([VERSIONS[0], VERSIONS.at(-1)]);

test.for([
  ...[...ENDS].map((version) => ({ version, limit: DEFAULT_LIMIT })),
  { version: VERSIONS.at(-1), limit: 4 },
])('20 calls run $limit at a time: $version.name', async ({ version, limit }, { real }) => {
  if (version === undefined) return expect.unreachable();
  if (limit !== DEFAULT_LIMIT) setMaxConcurrentRuns(limit);
  const counts: number[] = [];
  const count = (): number => counts.push(codexes(real));

  real.backend.play((userPrompt) => {
    count();
    return [
      draw({
        image: () => {
          count();
          return PICTURES[numberIn(userPrompt)] ?? expect.unreachable(userPrompt);
        },
      }),
      ENDLESS,
    ];
  });
  const calls = PICTURES.map((_, fox) => {
    const options = { prompt: `fox number ${fox}`, timeoutMs: 120_000 };
    return generateCodexImage(real.options(version, options), count);
  });
  const images = await Promise.all(calls);

  expect(images.map((image, fox) => PICTURES[fox]?.equals(image))).toEqual(
    PICTURES.map(() => true),
  );
  // Counted at every request to the backend and at every event of progress.
  expect(counts.length).toBeGreaterThan(2 * PICTURES.length);
  expect(Math.max(...counts)).toBe(limit);
});

function numberIn(prompt: string): number {
  return Number(/fox number (\d+)/.exec(prompt)?.[1]);
}

/** The number of Codex turns at this moment, without the processes that they started. */
function codexes(real: RealCodex): number {
  const turns = real.survivors().filter(({ command }) => / exec --json /.test(command));
  // Between fork and exec, a child of Codex looks like Codex.
  const pids = new Set(turns.map(({ pid }) => pid));
  return turns.filter(({ parent }) => !pids.has(parent)).length;
}
