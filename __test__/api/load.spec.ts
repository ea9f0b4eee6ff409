// A thousand calls of every kind in one process: each ends as it must, and afterwards nothing of them is left.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

import type { Report } from '../support/load-once.js';
import { WINDOWS } from '../support/platform.js';

const CALLS = 1000;
const SCRIPT = fileURLToPath(new URL('../support/load-once.ts', import.meta.url));

/**
 * What each call keeps makes every round grow: one picture of 68 KB that is kept by each success would be 47 MB. What idle threads
 * and the allocator keep grows now and then: by 1 MB on average and 9 MB at most in eleven rounds on one machine, by 30 MB in one
 * round on the same machine with four times as much to do.
 */
const MOST_MB = 20;

// A ceiling for a test that hangs: it takes about 20 s. The only stub of which thousands can be afforded is a shell script, which
// Windows does not start.
test.skipIf(WINDOWS)('1,000 calls, 16 at a time', { timeout: 600_000 }, async ({ signal }) => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--import', 'tsx', SCRIPT, String(CALLS)],
    // Without arenas of their own, threads leave no memory behind that is free but that only they could use.
    { env: { ...process.env, MALLOC_ARENA_MAX: '1' }, signal },
  );
  const { warmUp, rounds, grownMB, ...left }: Report = JSON.parse(stdout);

  expect([warmUp, ...rounds].flatMap(({ wrong }) => wrong)).toEqual([]);
  const ends = rounds.at(-1)?.ends ?? {};
  expect(ends).toMatchObject({ picture: 700, 'TIMEOUT in queued': expect.any(Number) });
  for (const phase of ['queued', 'preflight', 'starting', 'started', 'message', 'image']) {
    expect(ends).toHaveProperty(`abort in ${phase}`);
  }
  expect(Object.keys(ends)).toContainEqual(expect.stringMatching(/^TIMEOUT in (?!queued)/));

  expect(left).toEqual({ held: {}, temporary: [], processes: [] });
  expect(Math.min(...grownMB), `grown by ${grownMB.join(', ')} MB`).toBeLessThan(MOST_MB);
});
