// Stopping process trees: each must be gone when the call settles, whatever it ignores or holds.

import { describe, expect } from 'vitest';

import { setMaxConcurrentRuns } from '../../index.js';
import { listenersOf, rejection } from '../support/call/abort.js';
import { generateInOwnProcess, mayMount, withSmallDisk } from '../support/process/own-process.js';
import { LINUX, MACOS, WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { processes } from '../support/process/processes.js';
import { failure } from '../support/call/outcome.js';
import {
  HANG,
  TERMINATION_SIGNALS,
  RUNNING,
  save,
  THREAD,
  turn,
  TURN_STARTED,
} from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { StubScript, Step } from '../support/stub/stub-script.js';

// The tests at the time limit run concurrently, and none should wait in the queue.
setMaxConcurrentRuns(1000);

const IGNORING_TOOL = { do: 'tool', ownSession: true, ignores: TERMINATION_SIGNALS } as const;

/** Zombies count as dead. Windows has none. */
function isAlive(pid: number): boolean {
  if (!WINDOWS) return processes().some((one) => one.pid === pid && one.state !== 'Z');
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Aborts the call when that many processes run, and asserts that none is left. */
async function stop(codex: StubCodex, script: StubScript, live: number): Promise<void> {
  const controller = new AbortController();
  const call = codex.generate(script, { signal: controller.signal, killGraceMs: 500 });
  await codex.reached('running');
  expect(codex.survivors()).toHaveLength(live);
  controller.abort('enough');
  await expect(call).rejects.toBe('enough');
  await codex.expectNothingLeft();
}

/** Each reaches the mark `running` and lives on until it is stopped. */
const TREES_TO_STOP: [what: string, script: StubScript][] = [
  ['a child that handles no signal', { exec: turn(RUNNING, HANG) }],
  [
    'a child that ignores every termination signal',
    { exec: turn({ do: 'ignore', signals: TERMINATION_SIGNALS }, RUNNING, HANG) },
  ],
  ['a child that never reads its stdin', { stdin: 'ignore', exec: turn(RUNNING, HANG) }],
  [
    'a grandchild that ignores every termination signal',
    { exec: turn({ do: 'tool', ignores: TERMINATION_SIGNALS }, RUNNING, HANG) },
  ],
  [
    'a grandchild in a session of its own',
    { exec: turn({ do: 'tool', ownSession: true }, RUNNING, HANG) },
  ],
  [
    'a grandchild in a session of its own that ignores every termination signal',
    {
      exec: turn(
        { do: 'tool', ownSession: true, ignores: TERMINATION_SIGNALS },
        { do: 'ignore', signals: TERMINATION_SIGNALS },
        RUNNING,
        HANG,
      ),
    },
  ],
  [
    'a grandchild that holds the output open',
    {
      exec: turn({ do: 'tool', ownSession: true, holds: ['stdout', 'stderr'] }, RUNNING, HANG),
    },
  ],
  [
    'a launcher that passes no signal on',
    {
      behindLauncher: true,
      exec: turn({ do: 'ignore', signals: TERMINATION_SIGNALS }, RUNNING, HANG),
    },
  ],
];

describe('a process tree', () => {
  test.for(TREES_TO_STOP)('is stopped by an abort: %s', async ([, script], { codex }) => {
    const controller = new AbortController();
    const reason = new Error('no longer wanted');
    const call = codex.generate(script, { signal: controller.signal, killGraceMs: 100 });
    await codex.reached('running');
    controller.abort(reason);
    expect((await rejection(call)).reason).toBe(reason);
    await codex.expectNothingLeft();
    expect(listenersOf(controller.signal)).toBe(0);
  });

  const ignoring: Step[] = [
    { do: 'ignore', signals: TERMINATION_SIGNALS },
    { ...IGNORING_TOOL, holds: ['stdout', 'stderr'] },
  ];

  test('that ignores signals is gone after an image that ends the turn', async ({ codex }) => {
    const steps = [THREAD, TURN_STARTED, ...ignoring, save('store', PICTURE), HANG];
    expect(await codex.generate(steps, { killGraceMs: 100 })).toEqual(PICTURE);
    await codex.expectNothingLeft();
  });

  test('that ignores signals is gone after a failure', async ({ codex }) => {
    const steps = [...turn(...ignoring), { do: 'exit', code: 1 } as const];
    const error = await failure(codex.generate(steps, { killGraceMs: 100 }));
    expect(error).toMatchObject({ code: 'CODEX_FAILED' });
    await codex.expectNothingLeft();
  });
});

// Concurrent, because they mostly wait. vitest then needs each test's own `expect`.
describe.concurrent('a process tree at the time limit', () => {
  /** Long enough for the stub to reach its mark, which each test checks. */
  const timeoutMs = 10_000;
  /** How much later than on an idle machine something may happen. */
  const SLOWNESS_MS = 5000;

  test.for(TREES_TO_STOP)('is stopped: %s', async ([, script], { codex, expect }) => {
    const error = await failure(codex.generate(script, { timeoutMs, killGraceMs: 100 }));
    expect(error).toMatchObject({ code: 'TIMEOUT', status: 504, retryable: true });
    expect(codex.hasReached('running')).toBe(true);
    await codex.expectNothingLeft();
  });

  test('that ignores signals is killed soon after the grace period', async ({ codex, expect }) => {
    const killGraceMs = 700;
    const began = performance.now();
    const steps = turn(
      { do: 'ignore', signals: TERMINATION_SIGNALS },
      IGNORING_TOOL,
      RUNNING,
      HANG,
    );
    const error = await failure(codex.generate(steps, { timeoutMs, killGraceMs }));
    const total = performance.now() - began;
    expect(error).toMatchObject({ code: 'TIMEOUT', status: 504 });
    expect(codex.hasReached('running')).toBe(true);
    // Windows has no signal to ignore.
    expect(total).toBeGreaterThanOrEqual(timeoutMs + (WINDOWS ? 0 : killGraceMs));
    expect(total).toBeLessThanOrEqual(timeoutMs + killGraceMs + 1000 + SLOWNESS_MS);
    await codex.expectNothingLeft();
  });
});

test('an abort kills a two-level tree in its own session', async ({ codex }) => {
  await stop(codex, { exec: turn({ ...IGNORING_TOOL, generations: 2 }, RUNNING, HANG) }, 3);
});

test.for(['environment', 'directory'] as const)(
  'an abort kills a double-forked process known by its %s alone',
  async (knownBy, { codex }) => {
    await stop(codex, { exec: turn({ do: 'doubleFork', knownBy }, RUNNING, HANG) }, 2);
  },
);

test.for(['environment', 'directory'] as const)(
  'the end of Codex kills a double-forked process known by its %s alone',
  async (knownBy, { codex }) => {
    const steps = turn({ do: 'doubleFork', knownBy }, save('workspace', PICTURE));
    expect(await codex.generate(steps)).toEqual(PICTURE);
    await codex.expectNothingLeft();
  },
);

// The stub ignores the sandbox. With the real CLI only this one lets a process hide. On macOS it
// survives (SECURITY.md), and on Windows the job holds it.
describe.skipIf(MACOS)('a double-forked process known by nothing', () => {
  const sandbox = 'danger-full-access';
  const HIDE: Step = { do: 'doubleFork', knownBy: 'nothing' };

  test('is killed when the call is aborted', async ({ codex }) => {
    const controller = new AbortController();
    const options = { signal: controller.signal, killGraceMs: 500, sandbox } as const;
    const call = codex.generate(turn(HIDE, RUNNING, HANG), options);
    await codex.reached('running');
    const pid = await codex.doubleForked();
    expect(isAlive(pid)).toBe(true);
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    expect(isAlive(pid)).toBe(false);
  });

  test('is killed when Codex has ended by itself', async ({ codex }) => {
    const steps = turn(HIDE, save('store', PICTURE));
    const image = await codex.generateDetailed(steps, { sandbox, completion: 'exit' });
    expect(image).toMatchObject({ png: PICTURE, warnings: [] });
    expect(isAlive(await codex.doubleForked())).toBe(false);
  });
});

// Hiding /proc needs a mount namespace.
describe.skipIf(!LINUX || !mayMount())('a system that does not show its processes', () => {
  const WITHOUT_PROC = withSmallDisk('/proc', 'size=4k');
  const DOUBT = /Some processes that Codex started may still be running/;

  test('leaves a warning on an image', async ({ codex }) => {
    await codex.play(turn(save('store', PICTURE)));
    const { image } = await generateInOwnProcess(codex.options(), WITHOUT_PROC);
    expect(image?.warnings).toEqual([expect.stringMatching(DOUBT)]);
  });

  test("leaves a note in an error's detail", async ({ codex }) => {
    await codex.play([THREAD, TURN_STARTED, { do: 'exit', code: 1 }]);
    const { error } = await generateInOwnProcess(codex.options(), WITHOUT_PROC);
    expect(error?.code).toBe('CODEX_FAILED');
    expect(error?.detail).toMatch(DOUBT);
  });
});

// Windows has no grace period.
test.skipIf(WINDOWS)(
  'an abort kills children forked during the grace period',
  async ({ codex }) => {
    const steps = turn({ do: 'forkOn', signals: ['SIGTERM'] }, RUNNING, HANG);
    const controller = new AbortController();
    const call = codex.generate(steps, { signal: controller.signal, killGraceMs: 30_000 });
    await codex.reached('running');
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    expect(codex.hasReached('forked on SIGTERM')).toBe(true);
    await codex.expectNothingLeft();
  },
);

test('the death of a launcher ends the native binary', async ({ codex }) => {
  const script: StubScript = {
    behindLauncher: true,
    exec: turn({ do: 'ignore', signals: TERMINATION_SIGNALS }, { do: 'killLauncher' }, HANG),
  };
  const error = await failure(codex.generate(script));
  // On Windows a killed process has the exit code that the killer chose.
  const end = WINDOWS ? { exitCode: 1 } : { signal: 'SIGKILL' };
  expect(error).toMatchObject({ code: 'CODEX_FAILED', ...end });
  await codex.expectNothingLeft();
});

describe('a child that holds the output of a dead Codex', () => {
  /** Much less than the lifetime of the child. */
  const SETTLED_MS = 500 + 5000;

  test.for<[what: string, holds: ('stdout' | 'stderr')[]]>([
    ['stdout', ['stdout']],
    ['stderr', ['stderr']],
    ['stdout and stderr', ['stdout', 'stderr']],
  ])('does not delay the result: %s', async ([, holds], { codex }) => {
    const steps = turn({ ...IGNORING_TOOL, holds }, save('workspace', PICTURE));
    const { png: image, timings } = await codex.generateDetailed(steps);
    expect(image).toEqual(PICTURE);
    expect(timings.stopMs).toBeLessThan(SETTLED_MS);
    await codex.expectNothingLeft();
  });

  test('does not hide the last message on stdout', async ({ codex }) => {
    const last = { type: 'item.completed', item: { id: 'i', type: 'agent_message', text: 'bye' } };
    const steps: Step[] = [
      THREAD,
      TURN_STARTED,
      { ...IGNORING_TOOL, holds: ['stdout'] },
      { do: 'emit', event: last },
      { do: 'exit', code: 1 },
    ];
    expect((await failure(codex.generate(steps))).detail).toContain('bye');
  });
});
