// The host process ends in every possible way. Where it has time it stops its calls, and otherwise
// the watchdog does.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect, onTestFinished } from 'vitest';

import type { GenerateOptions } from '../../index.js';
import { HostProcess, type End, KILLED } from '../support/process/host-process.js';
import { generateInOwnProcess } from '../support/process/own-process.js';
import { WINDOWS } from '../support/platform.js';
import { childrenOf } from '../support/process/processes.js';
import { PICTURE } from '../support/image/small-png.js';
import { HANG, TERMINATION_SIGNALS, RUNNING, save, turn } from '../support/stub/steps.js';
import { type StubCodex, test, RUN_DIR_PREFIX } from '../support/stub/stub.js';
import type { StubScript, Step } from '../support/stub/stub-script.js';
import { POLLING } from '../support/process/survivors.js';

/** The addon's limit for a removal. A large directory takes a minute on a busy machine. */
const REMOVAL_MS = 300_000;

/** A turn with tools in sessions of their own and tools that ignore every termination signal. */
const BUSY: Step[] = turn(
  { do: 'tool', ownSession: true },
  { do: 'tool', ownSession: true, ignores: TERMINATION_SIGNALS },
  { do: 'tool', ignores: ['SIGTERM'] },
  RUNNING,
  HANG,
);

function start(...args: ConstructorParameters<typeof HostProcess>): HostProcess {
  const host = new HostProcess(...args);
  onTestFinished(() => host.kill());
  return host;
}

/** Starts a host process and resolves when its call is running. */
async function busyHost(
  codex: StubCodex,
  where?: { inWorker: boolean },
  options?: Partial<GenerateOptions>,
): Promise<HostProcess> {
  await codex.play(BUSY);
  const host = start(codex.options({ timeoutMs: 60_000, ...options }), where);
  await codex.reached('running');
  expect(codex.survivors()).toHaveLength(4);
  expect(codex.runDirs()).toHaveLength(1);
  return host;
}

describe('the end of an environment that Node reports', () => {
  test.for([
    'process.exit',
    'an uncaught throw',
    'an unhandled rejection',
    ...(WINDOWS ? [] : ['SIGTERM, handled']),
  ])('leaves nothing when the host process is gone: %s', async (ending, { codex }) => {
    const host = await busyHost(codex);
    await host.die(ending);
    await codex.expectNothingLeft();
  });

  test('ends the grace period of a call that is being stopped', async ({ codex }) => {
    const host = await busyHost(codex, undefined, { killGraceMs: 60_000 });
    await host.die('process.exit while the call is being stopped');
    await codex.expectNothingLeft();
  });

  test.for(['a worker is terminated', 'a worker exits'])(
    'leaves nothing, and the host process lives: %s',
    async (ending, { codex }) => {
      const host = await busyHost(codex, { inWorker: true });
      await host.endWorker(ending);
      await codex.expectNothingLeft();
      expect(await host.leave()).toEqual([0, null]);
    },
  );
});

describe('a readiness check that waits for the CLI', () => {
  const QUESTIONS: [question: string, mark: string, script: StubScript][] = [
    ['login status', 'asked', { login: 'silent', exec: [] }],
    ['--version', 'asked for its version', { version: 'silent', exec: [] }],
    [
      'account/rateLimits/read',
      'running',
      { appServer: [{ do: 'tool', ownSession: true }, RUNNING, HANG], exec: [] },
    ],
  ];

  async function checkingHost(
    codex: StubCodex,
    mark: string,
    script: StubScript,
    inWorker: boolean,
  ): Promise<HostProcess> {
    await codex.login(null);
    await codex.play(script);
    const options = { ...codex.options(), quota: true };
    const host = start(options, { inWorker, call: 'checkCodex' });
    await codex.reached(mark);
    return host;
  }

  test.for(QUESTIONS)(
    'leaves nothing after process.exit during %s',
    async (question, { codex }) => {
      const [, mark, script] = question;
      const host = await checkingHost(codex, mark, script, false);
      expect(await host.die('process.exit')).toEqual([3, null]);
      await codex.expectNothingLeft();
    },
  );

  describe.each(['a worker is terminated', 'a worker exits'])('when %s', (ending) => {
    test.for(QUESTIONS)('leaves nothing during %s', async ([, mark, script], { codex }) => {
      const host = await checkingHost(codex, mark, script, true);
      await host.endWorker(ending);
      await codex.expectNothingLeft();
      expect(await host.leave()).toEqual([0, null]);
    });
  });
});

describe('the end of a host process that Node does not report', () => {
  test.for<[ending: string, end: End]>([
    ['SIGKILL', KILLED],
    ['process.abort', WINDOWS ? [134, null] : [null, 'SIGABRT']],
    ...(WINDOWS ? [] : TERMINATION_SIGNALS).map((signal): [string, End] => [
      signal,
      [null, signal],
    ]),
  ])(
    'leaves no process soon after, and no run directory after the next start: %s',
    async ([ending, end], { codex }) => {
      const host = await busyHost(codex);
      expect(await host.die(ending)).toEqual(end);
      await expect.poll(() => codex.survivors(), POLLING).toEqual([]);
      expect(await codex.generate(turn(save('store', PICTURE)))).toEqual(PICTURE);
      expect(codex.runDirs()).toEqual([]);
    },
  );
});

// On Windows there is no watchdog: the system ends the job with its last handle.
test.skipIf(WINDOWS)('the killing of the watchdog does not affect the call', async ({ codex }) => {
  const steps = turn(RUNNING, { do: 'await', gate: 'go' }, save('store', PICTURE));
  const call = codex.generate(steps, { completion: 'exit' });
  await codex.reached('running');
  const [watchdog = NaN, ...others] = watchdogs();
  expect(others).toEqual([]);
  process.kill(watchdog, 'SIGKILL');
  await codex.open('go');
  expect(await call).toEqual(PICTURE);
});

describe('the next host process', () => {
  /** Starts a process without the marker of the test, which lives until it is stopped. */
  const startUnmarked = (cwd: string, env: Record<string, string>): ChildProcess => {
    // Not `sleep`, whose environment macOS hides.
    const args = ['--eval', 'setTimeout(() => {}, 600_000)'];
    const child = spawn(process.execPath, args, { cwd, env, detached: true, stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child;
  };
  /** Kills a host process, and returns its run directory and the id of its run. */
  const leave = async (codex: StubCodex): Promise<{ runDir: string; run: string }> => {
    const host = await busyHost(codex);
    await host.die('SIGKILL');
    await expect.poll(() => codex.survivors(), POLLING).toEqual([]);
    const [name = ''] = codex.runDirs();
    return { runDir: path.join(codex.temporary, name), run: name.replace(RUN_DIR_PREFIX, '') };
  };

  test('removes the run directory of a killed one', async ({ codex }) => {
    const { runDir } = await leave(codex);
    expect(await codex.generate(turn(save('store', PICTURE)))).toEqual(PICTURE);
    expect(existsSync(runDir)).toBe(false);
  });

  // On Windows no process can work in such a deep directory.
  test.skipIf(WINDOWS)(
    'removes a workspace of 30,000 levels',
    { timeout: 2 * REMOVAL_MS },
    async ({ codex }) => {
      const left = { do: 'leave', what: 'deep directories' } as const;
      await codex.play(turn(left, RUNNING, HANG));
      const host = start(codex.options());
      await codex.reached('running');
      await host.die('SIGKILL');
      await expect.poll(() => codex.survivors(), POLLING).toEqual([]);
      await codex.play(turn(save('store', PICTURE)));
      // In its own process, because a stack overflow would end it. A call that ends before the
      // removal does not wait for it.
      const { image } = await generateInOwnProcess(codex.options({ timeoutMs: REMOVAL_MS }));
      expect(image).toMatchObject({ source: 'store' });
      expect(codex.runDirs()).toEqual([]);
    },
  );

  // On Windows no process outlives its host process.
  test.skipIf(WINDOWS)('removes the run directory with its processes', async ({ codex }) => {
    const { runDir, run } = await leave(codex);
    await mkdir(path.join(runDir, 'deeper'));
    const marked = startUnmarked('/', { OD_CODEX_IMAGE_RUN: run });
    const inside = startUnmarked(path.join(runDir, 'deeper'), {});
    const ofAnotherRun = startUnmarked('/', { OD_CODEX_IMAGE_RUN: 'fedcba9876543210' });
    const ends = Promise.all([once(marked, 'exit'), once(inside, 'exit')]);
    expect(await codex.generate(turn(save('store', PICTURE)))).toEqual(PICTURE);
    expect(await ends).toEqual([
      [null, 'SIGKILL'],
      [null, 'SIGKILL'],
    ]);
    expect(existsSync(runDir)).toBe(false);
    expect(ofAnotherRun).toMatchObject({ exitCode: null, signalCode: null });
    ofAnotherRun.kill('SIGKILL');
    await once(ofAnotherRun, 'exit');
  });

  describe('a directory that this package did not make', () => {
    test.for<[what: string, make: (codex: StubCodex) => Promise<string>]>([
      ['with another name', async ({ temporary }) => made(temporary, `${RUN_DIR_PREFIX}notes`)],
      [
        'with a longer name',
        async ({ temporary }) => made(temporary, `${RUN_DIR_PREFIX}${'0'.repeat(17)}`),
      ],
      [
        'with the name of a run directory',
        async ({ temporary }) => made(temporary, `${RUN_DIR_PREFIX}0123456789abcdef`),
      ],
      [
        'with the prefix of earlier versions',
        ({ temporary }) => made(temporary, '.od-codex-image-x'),
      ],
      [
        'that is a run directory under another name',
        async (codex) => {
          const other = path.join(codex.temporary, `${RUN_DIR_PREFIX}0123456789abcdef`);
          await rename((await leave(codex)).runDir, other);
          return other;
        },
      ],
      [
        'that is a copy of a run directory',
        async (codex) => {
          const { runDir } = await leave(codex);
          const aside = path.join(codex.scratch, 'original');
          await rename(runDir, aside);
          await cp(aside, runDir, { recursive: true });
          return runDir;
        },
      ],
      [
        'that is a run directory without its proof of origin',
        async (codex) => {
          const { runDir } = await leave(codex);
          await rm(path.join(runDir, 'run'));
          return runDir;
        },
      ],
    ])('is left alone with the processes in it: one %s', async ([, make], { codex }) => {
      const directory = await make(codex);
      const file = path.join(directory, 'file');
      await writeFile(file, 'of value');
      const unrelated = startUnmarked(directory, {});
      expect(await codex.generate(turn(save('store', PICTURE)))).toEqual(PICTURE);
      expect(existsSync(file)).toBe(true);
      expect(unrelated).toMatchObject({ exitCode: null, signalCode: null });
      unrelated.kill('SIGKILL');
      await once(unrelated, 'exit');
      await rm(directory, { recursive: true });
    });

    async function made(parent: string, name: string): Promise<string> {
      await mkdir(path.join(parent, name));
      return path.join(parent, name);
    }
  });

  test('leaves alone a run directory whose host process is alive', async ({ codex }) => {
    const host = await busyHost(codex);
    const theirs = codex.runDirs();
    await codex.play(turn(save('store', PICTURE)));
    // In the same temporary directory, with other steps.
    expect(await codex.generate(turn(save('store', PICTURE)))).toEqual(PICTURE);
    expect(codex.runDirs()).toEqual(theirs);
    expect(codex.survivors()).toHaveLength(4);
    await host.die('process.exit');
  });
});

/** The watchdogs of this process, which are shells. */
function watchdogs(): number[] {
  return childrenOf(process.pid)
    .filter(({ command }) => command.includes('codex-image-watchdog'))
    .map(({ pid }) => pid);
}
