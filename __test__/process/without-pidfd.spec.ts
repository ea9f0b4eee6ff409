// On old kernels and under strict seccomp profiles there is no `pidfd_open`. Whoever then waits for SIGCHLD goes deaf as soon as
// JavaScript starts a process of its own, so the faults of the neighbours and of the tree have to hold there, too.

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

import { LINUX } from '../support/platform.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SPECS = ['__test__/process/neighbours.spec.ts', '__test__/process/tree.spec.ts'];
/** A program that takes `pidfd_open` away from the one that it executes; it checks that it has. */
const EXAMPLE = 'without-pidfd';

/** Of vitest's JSON reporter. */
interface Report {
  success: boolean;
  testResults: {
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

// A ceiling for a test that hangs: it takes about 20 s.
test.skipIf(!LINUX)(
  'with `pidfd_open` denied, neighbours and trees are as they are with it',
  { timeout: 300_000 },
  async ({ signal }) => {
    const options = { cwd: ROOT, signal };
    const build = ['build', '--quiet', '--example', EXAMPLE, '--message-format', 'json'];
    const { stdout: built } = await run('cargo', build, { ...options, maxBuffer: 64 << 20 });
    const program = /"executable":("(?:[^"\\]|\\.)*")/.exec(built)?.[1];
    const vitest = path.join(
      path.dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
      'vitest.mjs',
    );
    const report = ['--reporter', 'json'];
    const { stdout } = await run(
      JSON.parse(program ?? '""') as string,
      [process.execPath, vitest, 'run', ...report, ...SPECS],
      { ...options, env: withoutRunner(process.env), maxBuffer: 64 << 20 },
    ).catch(ofFailedTests);
    const { success, testResults } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as Report;
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
    expect(tests.filter(({ status }) => status !== 'passed')).toEqual([]);
    expect(success).toBe(true);
    expect(tests.length).toBeGreaterThan(10);
  },
);

/** The inner run is not a part of this one. */
function withoutRunner(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(VITEST|TEST)/.test(name)));
}

/** A run with failed tests exits with 1, and its report says which they are. */
function ofFailedTests(error: Error & { stdout?: string }): { stdout: string } {
  if (!error.stdout?.includes('"testResults"')) throw error;
  return { stdout: error.stdout };
}
