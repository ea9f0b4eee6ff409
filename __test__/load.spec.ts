// A thousand calls of every kind in one process: each ends as it must, and afterwards nothing of them is left.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

import type { Report } from './support/load-once.js';

const CALLS = 1000;
const SCRIPT = fileURLToPath(new URL('support/load-once.ts', import.meta.url));

/**
 * Of eleven rounds after a warm-up the resident set grew by 1 MB on average, and by 9 MB at most: that is its noise. One
 * picture of 68 KB that is kept by each success would be 47 MB.
 */
const MOST_MB = 20;

// A ceiling for a test that hangs: it takes about 15 s.
test('1,000 calls, 16 at a time', { timeout: 600_000 }, async ({ signal }) => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--import', 'tsx', SCRIPT, String(CALLS)],
    // Without arenas of their own, threads leave no memory behind that is free but that only they could use.
    { env: { ...process.env, MALLOC_ARENA_MAX: '1' }, signal },
  );
  const { warmUp, round, grownMB, ...left }: Report = JSON.parse(stdout);

  expect([...warmUp.wrong, ...round.wrong]).toEqual([]);
  expect(round.ends).toMatchObject({ picture: 700, 'TIMEOUT in queued': expect.any(Number) });
  for (const phase of ['queued', 'preflight', 'starting', 'started', 'message', 'image']) {
    expect(round.ends).toHaveProperty(`abort in ${phase}`);
  }
  expect(Object.keys(round.ends)).toContainEqual(expect.stringMatching(/^TIMEOUT in (?!queued)/));

  expect(left).toEqual({ held: {}, temporary: [], processes: [] });
  expect(grownMB).toBeLessThan(MOST_MB);
});
