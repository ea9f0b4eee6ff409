// Processes that Codex starts, and how they try to outlive the call. `api/cancel` has tools that
// ignore SIGTERM and tools in sessions of their own.

import { describe, expect } from 'vitest';

import { generateInOwnProcess, mayMount, withSmallDisk } from '../support/own-process.js';
import { LINUX, MACOS, WINDOWS } from '../support/platform.js';
import { png } from '../support/png.js';
import { processes } from '../support/processes.js';
import { failure } from '../support/outcome.js';
import { save, THREAD, turn, TURN_STARTED } from '../support/steps.js';
import { type StubCodex, test } from '../support/stub.js';
import type { Orders, Step } from '../support/stub-orders.js';

const PICTURE = png();
const HANG: Step = { do: 'hang' };
const RUNNING: Step = { do: 'reach', mark: 'running' };
const EVERY_POLITE_SIGNAL: NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
const STUBBORN = { do: 'grandchild', ownSession: true, defies: EVERY_POLITE_SIGNAL } as const;

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
async function stop(codex: StubCodex, orders: Orders, live: number): Promise<void> {
  const controller = new AbortController();
  const call = codex.generate(orders, { signal: controller.signal, killGraceMs: 500 });
  await codex.reached('running');
  expect(codex.survivors()).toHaveLength(live);
  controller.abort('enough');
  await expect(call).rejects.toBe('enough');
  await codex.expectNothingLeft();
}

test('an abort kills a two-level tree in its own session', async ({ codex }) => {
  await stop(codex, { exec: turn({ ...STUBBORN, generations: 2 }, RUNNING, HANG) }, 3);
});

test.for(['environment', 'directory'] as const)(
  'an abort kills a double-forked daemon known by its %s alone',
  async (knownBy, { codex }) => {
    await stop(codex, { exec: turn({ do: 'daemon', knownBy }, RUNNING, HANG) }, 2);
  },
);

test.for(['environment', 'directory'] as const)(
  'the end of Codex kills a double-forked daemon known by its %s alone',
  async (knownBy, { codex }) => {
    const steps = turn({ do: 'daemon', knownBy }, save('workspace', PICTURE));
    expect(await codex.generate(steps)).toEqual(PICTURE);
    await codex.expectNothingLeft();
  },
);

// The stub ignores the sandbox. With the real CLI only this one lets a daemon hide. On macOS it
// survives (SECURITY.md), and on Windows the job holds it.
describe.skipIf(MACOS)('a double-forked daemon known by nothing', () => {
  const sandbox = 'danger-full-access';
  const HIDE: Step = { do: 'daemon', knownBy: 'nothing' };

  test('is killed when the call is aborted', async ({ codex }) => {
    const controller = new AbortController();
    const options = { signal: controller.signal, killGraceMs: 500, sandbox } as const;
    const call = codex.generate(turn(HIDE, RUNNING, HANG), options);
    await codex.reached('running');
    const daemon = await codex.daemon();
    expect(isAlive(daemon)).toBe(true);
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    expect(isAlive(daemon)).toBe(false);
  });

  test('is killed when Codex has ended by itself', async ({ codex }) => {
    const steps = turn(HIDE, save('store', PICTURE));
    const image = await codex.generateDetailed(steps, { sandbox, completion: 'exit' });
    expect(image).toMatchObject({ png: PICTURE, warnings: [] });
    expect(isAlive(await codex.daemon())).toBe(false);
  });
});

// Hiding /proc needs a mount namespace.
describe.skipIf(!LINUX || !mayMount())('a system that does not show its processes', () => {
  const WITHOUT_PROC = withSmallDisk('/proc', 'size=4k');
  const DOUBT = /Some processes that Codex started may still be running/;

  test('leaves a warning on an image', async ({ codex }) => {
    await codex.order(turn(save('store', PICTURE)));
    const { image } = await generateInOwnProcess(codex.options(), WITHOUT_PROC);
    expect(image?.warnings).toEqual([expect.stringMatching(DOUBT)]);
  });

  test("leaves a note in an error's detail", async ({ codex }) => {
    await codex.order([THREAD, TURN_STARTED, { do: 'exit', code: 1 }]);
    const { error } = await generateInOwnProcess(codex.options(), WITHOUT_PROC);
    expect(error?.code).toBe('CODEX_FAILED');
    expect(error?.detail).toMatch(DOUBT);
  });
});

// Windows has no grace.
test.skipIf(WINDOWS)('an abort kills children forked during the grace', async ({ codex }) => {
  const steps = turn({ do: 'forkOn', signals: ['SIGTERM'] }, RUNNING, HANG);
  const controller = new AbortController();
  const call = codex.generate(steps, { signal: controller.signal, killGraceMs: 30_000 });
  await codex.reached('running');
  controller.abort('enough');
  await expect(call).rejects.toBe('enough');
  expect(codex.hasReached('forked on SIGTERM')).toBe(true);
  await codex.expectNothingLeft();
});

test('a launcher that dies takes the native binary with it', async ({ codex }) => {
  const orders: Orders = {
    behindShim: true,
    exec: turn({ do: 'defy', signals: EVERY_POLITE_SIGNAL }, { do: 'killShim' }, HANG),
  };
  const error = await failure(codex.generate(orders));
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
    const steps = turn({ ...STUBBORN, holds }, save('workspace', PICTURE));
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
      { ...STUBBORN, holds: ['stdout'] },
      { do: 'emit', event: last },
      { do: 'exit', code: 1 },
    ];
    expect((await failure(codex.generate(steps))).detail).toContain('bye');
  });
});
