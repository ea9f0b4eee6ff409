// A thousand calls of every kind in one process end as they must, and leave nothing.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

import type { Report } from '../support/load/load-once.js';
import { WINDOWS } from '../support/platform.js';

const CALLS = 1000;
const SCRIPT = fileURLToPath(new URL('../support/load/load-once.ts', import.meta.url));

/**
 * What a call keeps makes every round grow: 68 KB for each success would be 47 MB. Idle threads and
 * the allocator grow now and then: by 1 MB on average and at most by 9 MB in eleven rounds on one
 * machine, by 30 MB in one round under four times the load.
 */
const MOST_MB = 20;

// The limit is for a test that hangs: it takes about 20 s. Not on Windows: some calls are of a stub
// that ignores signals, and others of a script.
test.skipIf(WINDOWS)(
  '1,000 calls, 16 at a time, have their expected outcomes and leave nothing',
  { timeout: 600_000 },
  async ({ signal }) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--expose-gc', '--import', 'tsx', SCRIPT, String(CALLS)],
      // With arenas of their own, threads leave free memory behind that only they could use.
      { env: { ...process.env, MALLOC_ARENA_MAX: '1' }, signal },
    );
    const { warmUp, rounds, grownMB, ...left }: Report = JSON.parse(stdout);

    expect([warmUp, ...rounds].flatMap(({ wrong }) => wrong)).toEqual([]);
    const ends = rounds.at(-1)?.ends ?? {};
    expect(ends).toMatchObject({ image: 700, 'TIMEOUT in queued': expect.any(Number) });
    for (const phase of ['queued', 'preflight', 'starting', 'started', 'message', 'image']) {
      expect(ends).toHaveProperty(`abort in ${phase}`);
    }
    expect(Object.keys(ends)).toContainEqual(expect.stringMatching(/^TIMEOUT in (?!queued)/));

    expect(left).toEqual({ held: {}, temporary: [], processes: [] });
    expect(Math.min(...grownMB), `grown by ${grownMB.join(', ')} MB`).toBeLessThan(MOST_MB);
  },
);
