// How Codex can end without having done its work, or not end at all.
//
// Found elsewhere, in tables of a wider subject: exit 0 without image (`failures.spec.ts`, `each cause has its own code`: `no
// image`, `nothing at all`), killed by SIGSEGV or by the OOM killer (there: `SIGSEGV`, `SIGKILL, as from the OOM killer`).

import { describe, expect } from 'vitest';

import { WINDOWS } from '../support/platform.js';
import { png } from '../support/png.js';
import {
  failure,
  listener,
  save,
  type Step,
  type StubCodex,
  test,
  THREAD,
  turn,
  TURN_STARTED,
  turnFailed,
} from '../support/stub.js';

const PICTURE = png();
const HANG: Step = { do: 'hang' };
const RUNNING: Step = { do: 'reach', mark: 'running' };
/** Longer than any test: who waits for it to end has not been told that there is no need to. */
const FOREVER_MS = 600_000;
/** How much later than on an idle machine something may happen. */
const SLOWNESS_MS = 5000;

describe('exit 1 with image', () => {
  const FAILED: Step[] = [turnFailed('stream error'), { do: 'exit', code: 1 }];

  test("in Codex's own store: the image", async ({ codex }) => {
    const steps = [THREAD, TURN_STARTED, save('store', PICTURE), ...FAILED];
    expect(await codex.generate(steps)).toEqual(PICTURE);
  });

  test("in Codex's own store, then killed: the image", async ({ codex }) => {
    const steps = turn(save('store', PICTURE), { do: 'die', of: 'SIGKILL' });
    expect(await codex.generate(steps)).toEqual(PICTURE);
  });

  test.for(['image', 'exit'] as const)(
    "at the handed path, completion '%s': an error",
    async (completion, { codex }) => {
      const steps = turn(save('workspace', PICTURE), { do: 'exit', code: 3 });
      const error = await failure(codex.generate(steps, { completion }));
      expect(error).toMatchObject({ code: 'CODEX_FAILED', exitCode: 3 });
    },
  );
});

describe('a turn that is over, while Codex lives on', () => {
  const LIMIT = "You've hit your usage limit. Try again later.";

  test.for(['image', 'exit'] as const)(
    "fails with its cause, completion '%s'",
    async (completion, { codex }) => {
      const steps = [THREAD, TURN_STARTED, turnFailed(LIMIT), HANG];
      const error = await failure(codex.generate(steps, { completion }));
      expect(error).toMatchObject({ code: 'USAGE_LIMIT' });
      expect(error.detail).toContain(LIMIT);
      // It was stopped, and did not end by itself.
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
    "delivers the agent's copy, completion '%s'",
    async (completion, { codex }) => {
      const steps = [...turn(save('workspace', PICTURE)), HANG];
      const image = await codex.generateDetailed(steps, { completion });
      expect(image).toMatchObject({ png: PICTURE, source: 'workspace' });
    },
  );

  test('says that there is no picture, where Codex said that all went well', async ({ codex }) => {
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

  test('does not deliver the copy of a turn that failed', async ({ codex }) => {
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

describe('an output that has ended, while Codex lives on', () => {
  test('does not keep the picture in the store from being seen', async ({ codex }) => {
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

describe('timeout', () => {
  /** Enough for the stub to come as far as its mark, which each test checks. */
  const timeoutMs = 10_000;

  test('honoured: ends at once', async ({ codex }) => {
    const { events, onProgress } = listener();
    const steps = turn({ do: 'tidyUpOn', signals: ['SIGTERM'] }, RUNNING, HANG);
    const call = codex.generate(steps, { timeoutMs, killGraceMs: FOREVER_MS }, onProgress);
    expect(await failure(call)).toMatchObject({ code: 'TIMEOUT', status: 504 });
    // On Windows nobody is asked.
    expect(codex.hasReached('stopped by SIGTERM')).toBe(!WINDOWS);
    const stopping = events.find(({ phase }) => phase === 'stopping');
    expect(stopping?.elapsedMs).toBeGreaterThanOrEqual(timeoutMs);
  });

  test('ignored: SIGKILL after the grace, total ≤ timeout + grace + 1 s', async ({ codex }) => {
    const killGraceMs = 700;
    const began = performance.now();
    const steps = turn(
      { do: 'defy', signals: ['SIGTERM', 'SIGINT', 'SIGHUP'] },
      { do: 'grandchild', ownSession: true, defies: ['SIGTERM', 'SIGINT', 'SIGHUP'] },
      RUNNING,
      HANG,
    );
    const error = await failure(codex.generate(steps, { timeoutMs, killGraceMs }));
    const total = performance.now() - began;
    expect(error).toMatchObject({ code: 'TIMEOUT', status: 504 });
    expect(codex.hasReached('running')).toBe(true);
    // On Windows there is nothing that could be ignored.
    expect(total).toBeGreaterThanOrEqual(timeoutMs + (WINDOWS ? 0 : killGraceMs));
    expect(total).toBeLessThanOrEqual(timeoutMs + killGraceMs + 1000 + SLOWNESS_MS);
    await codex.expectNothingLeft();
  });
});

// A signal, which Windows does not have.
describe.skipIf(WINDOWS)('stopped child (SIGSTOP)', () => {
  test.for<[what: string, preparation: Step[], killGraceMs: number]>([
    ['that would end when told to', [], FOREVER_MS],
    ['that defies every polite signal', [{ do: 'defy', signals: ['SIGTERM', 'SIGINT'] }], 100],
  ])('%s still ends', async ([, preparation, killGraceMs], { codex }) => {
    const controller = new AbortController();
    const steps = turn(...preparation, { do: 'freeze' }, HANG);
    const call = codex.generate(steps, { signal: controller.signal, killGraceMs });
    await expect.poll(() => states(codex), { timeout: 30_000 }).toEqual(['T']);
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    await codex.expectNothingLeft();
  });

  /** What the kernel says of each process of the run. */
  function states(codex: StubCodex): string[] {
    return codex.survivors().map(({ state }) => state);
  }
});
