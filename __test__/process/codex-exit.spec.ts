// Codex ends without having done its work, or does not end. `api/failures` has the exits without an
// image and the ends by a signal, `tree` the ends that other processes delay.

import { describe, expect } from 'vitest';

import { WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { failure, listener } from '../support/call/outcome.js';
import { POLLING } from '../support/process/survivors.js';
import {
  HANG,
  TERMINATION_SIGNALS,
  RUNNING,
  save,
  THREAD,
  turn,
  TURN_STARTED,
  turnFailed,
} from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

/** Longer than any test: ends only if the wait for it is cut short. */
const FOREVER_MS = 600_000;

describe('an image of a Codex that fails', () => {
  const FAILED: Step[] = [turnFailed('stream error'), { do: 'exit', code: 1 }];

  test("is returned from Codex's own store", async ({ codex }) => {
    const steps = [THREAD, TURN_STARTED, save('store', PICTURE), ...FAILED];
    expect(await codex.generate(steps)).toEqual(PICTURE);
  });

  test("is returned from Codex's own store after SIGKILL", async ({ codex }) => {
    const steps = turn(save('store', PICTURE), { do: 'die', of: 'SIGKILL' });
    expect(await codex.generate(steps)).toEqual(PICTURE);
  });

  test.for(['image', 'exit'] as const)(
    "is not returned from the workspace, completion '%s'",
    async (completion, { codex }) => {
      const steps = turn(save('workspace', PICTURE), { do: 'exit', code: 3 });
      const error = await failure(codex.generate(steps, { completion }));
      expect(error).toMatchObject({ code: 'CODEX_FAILED', exitCode: 3 });
    },
  );
});

describe('a turn that is over while Codex lives on', () => {
  const LIMIT = "You've hit your usage limit. Try again later.";

  test.for(['image', 'exit'] as const)(
    "fails with its cause, completion '%s'",
    async (completion, { codex }) => {
      const steps = [THREAD, TURN_STARTED, turnFailed(LIMIT), HANG];
      const error = await failure(codex.generate(steps, { completion }));
      expect(error).toMatchObject({ code: 'USAGE_LIMIT' });
      expect(error.detail).toContain(LIMIT);
      // It was stopped, and has no exit of its own.
      expect(error).not.toHaveProperty('exitCode');
      expect(error).not.toHaveProperty('signal');
    },
  );

  test('fails with what Codex said, where that is not understood', async ({ codex }) => {
    const steps = [THREAD, TURN_STARTED, turnFailed('something new'), HANG];
    const error = await failure(codex.generate(steps));
    expect(error).toMatchObject({ code: 'CODEX_FAILED', status: 502 });
    expect(error.message).toContain('its turn failed');
    expect(error.detail).toContain('something new');
  });

  test.for(['image', 'exit'] as const)(
    "returns the agent's copy, completion '%s'",
    async (completion, { codex }) => {
      const steps = [...turn(save('workspace', PICTURE)), HANG];
      const image = await codex.generateDetailed(steps, { completion });
      expect(image).toMatchObject({ png: PICTURE, source: 'workspace' });
    },
  );

  test('fails with NO_IMAGE where Codex reported success', async ({ codex }) => {
    const error = await failure(codex.generate([...turn(), HANG]));
    expect(error).toMatchObject({ code: 'NO_IMAGE' });
    expect(error).not.toHaveProperty('signal');
  });

  test('leaves Codex the time to exit by itself', async ({ codex }) => {
    const exits: Step[] = [
      { do: 'sleep', ms: 200 },
      { do: 'exit', code: 7 },
    ];
    const steps = [THREAD, TURN_STARTED, turnFailed('something new'), ...exits];
    const error = await failure(codex.generate(steps));
    expect(error).toMatchObject({ code: 'CODEX_FAILED', exitCode: 7 });
  });

  test('does not return the copy of a turn that failed', async ({ codex }) => {
    const steps = [
      THREAD,
      TURN_STARTED,
      save('workspace', PICTURE),
      turnFailed('something new'),
      HANG,
    ];
    expect(await failure(codex.generate(steps))).toMatchObject({ code: 'CODEX_FAILED' });
  });
});

describe('an output that has ended while Codex lives on', () => {
  test('does not hide an image that is stored later', async ({ codex }) => {
    const steps: Step[] = [
      THREAD,
      TURN_STARTED,
      { do: 'closeOutput' },
      { do: 'await', gate: 'drawn' },
      save('store', PICTURE),
      HANG,
    ];
    const call = codex.generateDetailed(steps);
    await codex.open('drawn');
    expect(await call).toMatchObject({ png: PICTURE, source: 'store', verified: true });
  });
});

describe('a timeout', () => {
  /** Long enough for the stub to reach its mark, which each test checks. */
  const timeoutMs = 10_000;

  test('does not wait for the rest of the grace period when Codex exits on SIGTERM', async ({
    codex,
  }) => {
    const { events, onProgress } = listener();
    const steps = turn({ do: 'exitOn', signals: ['SIGTERM'] }, RUNNING, HANG);
    const call = codex.generate(steps, { timeoutMs, killGraceMs: FOREVER_MS }, onProgress);
    expect(await failure(call)).toMatchObject({ code: 'TIMEOUT', status: 504 });
    // Windows has no signal that asks a process to end.
    expect(codex.hasReached('stopped by SIGTERM')).toBe(!WINDOWS);
    const stopping = events.find(({ phase }) => phase === 'stopping');
    expect(stopping?.elapsedMs).toBeGreaterThanOrEqual(timeoutMs);
  });
});

// Windows has no such signal.
describe.skipIf(WINDOWS)('a child stopped by SIGSTOP', () => {
  test.for<[what: string, preparation: Step[], killGraceMs: number]>([
    ['that handles no signal', [], FOREVER_MS],
    [
      'that ignores every termination signal',
      [{ do: 'ignore', signals: TERMINATION_SIGNALS }],
      100,
    ],
  ])('is killed: one %s', async ([, preparation, killGraceMs], { codex }) => {
    const controller = new AbortController();
    const steps = turn(...preparation, { do: 'suspend' }, HANG);
    const call = codex.generate(steps, { signal: controller.signal, killGraceMs });
    await expect.poll(() => states(codex), POLLING).toEqual(['T']);
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    await codex.expectNothingLeft();
  });

  /** The states of the call's processes, as the kernel reports them. */
  function states(codex: StubCodex): string[] {
    return codex.survivors().map(({ state }) => state);
  }
});
