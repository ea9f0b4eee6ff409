// Old kernels and strict seccomp profiles have no `pidfd_open`. A wait for SIGCHLD instead would
// fail as soon as JavaScript starts a process, so these specs run without it as well.

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, test } from 'vitest';

import { buildExample } from '../support/stub/cargo-example.js';
import { LINUX } from '../support/platform.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SPECS = ['__test__/process/neighbours.spec.ts', '__test__/process/tree.spec.ts'];
/** A program that removes `pidfd_open` for the one that it executes, and checks that. */
const EXAMPLE = 'without-pidfd';

/** Written by vitest's JSON reporter. */
interface Report {
  success: boolean;
  testResults: {
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

// The limit is for a test that hangs: it takes about 20 s.
test.skipIf(!LINUX)(
  'the specs of neighbours and trees pass without `pidfd_open`',
  { timeout: 300_000 },
  async ({ signal }) => {
    const options = { cwd: ROOT, signal };
    const program = await buildExample(EXAMPLE);
    const vitest = path.join(
      path.dirname(createRequire(import.meta.url).resolve('vitest/package.json')),
      'vitest.mjs',
    );
    const report = ['--reporter', 'json'];
    const { stdout } = await run(program, [process.execPath, vitest, 'run', ...report, ...SPECS], {
      ...options,
      env: withoutRunner(process.env),
      maxBuffer: 64 << 20,
    }).catch(ofFailedTests);
    const { success, testResults } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as Report;
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
    expect(tests.filter(({ status }) => status !== 'passed')).toEqual([]);
    expect(success).toBe(true);
    expect(tests.length).toBeGreaterThan(10);
  },
);

/** Removes the variables of the outer run. */
function withoutRunner(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(VITEST|TEST)/.test(name)));
}

/** A run with failed tests exits with 1, and its report names them. */
function ofFailedTests(error: Error & { stdout?: string }): { stdout: string } {
  if (!error.stdout?.includes('"testResults"')) throw error;
  return { stdout: error.stdout };
}
