// What Codex may start, and how it may try to outlive a run. Of none is anything left.
//
// Found elsewhere: a grandchild ignoring TERM and a setsid tool (`cancel.spec.ts`, `abort` and `timeoutMs`: `stops a grandchild
// that defies every polite signal`, `stops a grandchild in a session of its own`).

import { describe, expect } from 'vitest';

import { generateInOwnProcess, mayMount, withSmallDisk } from '../support/own-process.js';
import { LINUX, MACOS, WINDOWS } from '../support/platform.js';
import { png } from '../support/png.js';
import { processes } from '../support/processes.js';
import {
  failure,
  type Orders,
  save,
  type Step,
  type StubCodex,
  test,
  THREAD,
  turn,
  TURN_STARTED,
} from '../support/stub.js';

const PICTURE = png();
const HANG: Step = { do: 'hang' };
const RUNNING: Step = { do: 'reach', mark: 'running' };
const EVERY_POLITE_SIGNAL: NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
const STUBBORN = { do: 'grandchild', ownSession: true, defies: EVERY_POLITE_SIGNAL } as const;

/** A zombie is dead. On Windows there are none. */
function isAlive(pid: number): boolean {
  if (!WINDOWS) return processes().some((one) => one.pid === pid && one.state !== 'Z');
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Aborts when as many processes are there as are to be stopped. */
async function stop(codex: StubCodex, orders: Orders, live: number): Promise<void> {
  const controller = new AbortController();
  const call = codex.generate(orders, { signal: controller.signal, killGraceMs: 500 });
  await codex.reached('running');
  expect(codex.survivors()).toHaveLength(live);
  controller.abort('enough');
  await expect(call).rejects.toBe('enough');
  await codex.expectNothingLeft();
}

test('two-level tree in its own session', async ({ codex }) => {
  await stop(codex, { exec: turn({ ...STUBBORN, generations: 2 }, RUNNING, HANG) }, 3);
});

test.for(['environment', 'directory'] as const)(
  'double-forked daemon, known by its %s alone',
  async (knownBy, { codex }) => {
    await stop(codex, { exec: turn({ do: 'daemon', knownBy }, RUNNING, HANG) }, 2);
  },
);

test.for(['environment', 'directory'] as const)(
  'double-forked daemon, known by its %s alone, when Codex has ended by itself',
  async (knownBy, { codex }) => {
    const steps = turn({ do: 'daemon', knownBy }, save('workspace', PICTURE));
    expect(await codex.generate(steps)).toEqual(PICTURE);
    await codex.expectNothingLeft();
  },
);

// The sandbox option changes nothing for a stub; with the real CLI only this one lets a daemon get that far. On macOS such
// a daemon survives (SECURITY.md); Windows holds it in the job.
describe.skipIf(MACOS)('a double-forked daemon, known by nothing', () => {
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

// It takes a mount namespace to run without /proc.
describe.skipIf(!LINUX || !mayMount())('where the system does not show its processes', () => {
  const WITHOUT_PROC = withSmallDisk('/proc', 'size=4k');
  const DOUBT = /Some processes that Codex started may still be running/;

  test('a picture comes with a warning', async ({ codex }) => {
    await codex.order(turn(save('store', PICTURE)));
    const { image } = await generateInOwnProcess(codex.options(), WITHOUT_PROC);
    expect(image?.warnings).toEqual([expect.stringMatching(DOUBT)]);
  });

  test("an error's detail says so", async ({ codex }) => {
    await codex.order([THREAD, TURN_STARTED, { do: 'exit', code: 1 }]);
    const { error } = await generateInOwnProcess(codex.options(), WITHOUT_PROC);
    expect(error?.code).toBe('CODEX_FAILED');
    expect(error?.detail).toMatch(DOUBT);
  });
});

// Windows leaves nobody a grace.
test.skipIf(WINDOWS)('children forked during the grace', async ({ codex }) => {
  const steps = turn({ do: 'forkOn', signals: ['SIGTERM'] }, RUNNING, HANG);
  const controller = new AbortController();
  const call = codex.generate(steps, { signal: controller.signal, killGraceMs: 30_000 });
  await codex.reached('running');
  controller.abort('enough');
  await expect(call).rejects.toBe('enough');
  expect(codex.hasReached('forked on SIGTERM')).toBe(true);
  await codex.expectNothingLeft();
});

test('shim killed with the native binary alive', async ({ codex }) => {
  const orders: Orders = {
    behindShim: true,
    exec: turn({ do: 'defy', signals: EVERY_POLITE_SIGNAL }, { do: 'killShim' }, HANG),
  };
  const error = await failure(codex.generate(orders));
  // As Windows has it, whoever is killed ends with an exit code of the killer's.
  const end = WINDOWS ? { exitCode: 1 } : { signal: 'SIGKILL' };
  expect(error).toMatchObject({ code: 'CODEX_FAILED', ...end });
  await codex.expectNothingLeft();
});

describe('leader exits while a background child holds', () => {
  /** Far less than the child would live, and than anybody would wait for the end of a stream. */
  const SETTLED_MS = 500 + 5000;

  test.for<[what: string, holds: ('stdout' | 'stderr')[]]>([
    ['stdout', ['stdout']],
    ['stderr', ['stderr']],
    ['stdout and stderr', ['stdout', 'stderr']],
  ])('%s: settles at once', async ([, holds], { codex }) => {
    const steps = turn({ ...STUBBORN, holds }, save('workspace', PICTURE));
    const { png: image, timings } = await codex.generateDetailed(steps);
    expect(image).toEqual(PICTURE);
    expect(timings.stopMs).toBeLessThan(SETTLED_MS);
    await codex.expectNothingLeft();
  });

  test('stdout, and its last words are heard', async ({ codex }) => {
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
