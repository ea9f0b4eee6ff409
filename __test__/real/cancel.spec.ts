// Timeout and abort of the real Codex CLI, at every stage of its turn: the call rejects once, and
// leaves no process, directory or listener. That holds for the agent's tools too, which Codex
// starts in sessions of their own.

import { getEventListeners } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { type OnProgress, setMaxConcurrentRuns } from '../../index.js';
import { type CodexCli } from '../support/real/codex-cli.js';
import { copy, draw, say, shell, type Step, talk, think } from '../support/loopback/backend.js';
import { LINUX, MACOS, WINDOWS } from '../support/platform.js';
import { processes } from '../support/process/processes.js';
import { PICTURE, type RealCodex, test } from '../support/real/real.js';
import {
  CODE,
  DIRECT,
  HOSTED,
  SANDBOXES_WITH_SHELL,
  type Variant,
  VARIANTS,
} from '../support/real/variants.js';
import { failure } from '../support/call/outcome.js';

// vitest runs only a few of these at a time.
setMaxConcurrentRuns(1000);

/** Longer than any test. */
const ENDLESS_MS = 600_000;
const ENDLESS = talk(ENDLESS_MS);

interface Stage {
  when: string;
  script: Step[];
  /**
   * Resolves when the turn has reached this stage. `spoken` resolves with the agent's first
   * message.
   */
  reached: (real: RealCodex, spoken: Promise<void>) => Promise<void>;
}

const THINKING: Stage = {
  when: 'while the model thinks',
  script: [think(ENDLESS_MS)],
  reached: (real) => real.modelCalled(),
};
const DRAWING: Stage = {
  when: 'while the image is drawn',
  script: [draw({ ms: ENDLESS_MS, image: PICTURE })],
  reached: (real) => real.imageCalled(),
};
/** The hosted tool shows no progress: a message announces it. */
const DRAWING_HOSTED: Stage = {
  when: DRAWING.when,
  script: [say('I draw it now.'), ...DRAWING.script],
  reached: (real, spoken) => real.during(spoken),
};
/** Two model calls come before: the one that draws and the one that copies. */
const TALKING: Stage = {
  when: 'while the model talks about its image',
  script: [draw({ image: PICTURE }), copy(), ENDLESS],
  reached: (real) => real.modelCalled(3),
};

interface Case {
  variant: Variant;
  stage: Stage;
}

const CASES: Case[] = VARIANTS.flatMap((variant) =>
  [THINKING, variant === HOSTED ? DRAWING_HOSTED : DRAWING, TALKING].map((stage) => ({
    variant,
    stage,
  })),
);

/** A promise that resolves with the first message. */
function firstWords(): { spoken: Promise<void>; onProgress: OnProgress } {
  let keep = (): void => {};
  const spoken = new Promise<void>((resolve) => (keep = resolve));
  return { spoken, onProgress: (_message, { phase }) => phase === 'message' && keep() };
}

/** Writes a launcher of the user's own, which hides what it starts and passes no signal on. */
async function launcher(real: RealCodex, cli: CodexCli): Promise<string> {
  const file = path.join(real.scratch, 'codex');
  const script = `#!/bin/sh\n'${process.execPath}' '${cli.launcher}' "$@"\nexit $?\n`;
  await writeFile(file, script, { mode: 0o755 });
  return file;
}

/**
 * Aborts the call once `reached` resolves. Asserts that it rejects with the given reason and leaves
 * nothing.
 */
async function expectAbort(
  real: RealCodex,
  controller: AbortController,
  call: Promise<unknown>,
  reached: Promise<unknown>,
): Promise<void> {
  const reason = new Error('no longer wanted');
  const outcome = call.then(
    () => 'resolved',
    (why: unknown) => why,
  );
  await reached;
  controller.abort(reason);
  expect(await outcome).toBe(reason);
  await real.expectNothingLeft();
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
}

// Concurrent, because they mostly wait. vitest then needs each test's own `expect`.
describe.concurrent('an abort', () => {
  test.for(CASES)(
    'ends the call $stage.when: $variant.name',
    async ({ variant, stage }, { real, expect }) => {
      const controller = new AbortController();
      const { spoken, onProgress } = firstWords();
      const options = { signal: controller.signal, completion: 'exit' } as const;
      const call = real.generate(variant, stage.script, options, onProgress);
      await expectAbort(real, controller, call, stage.reached(real, spoken));
      expect(real.modelCalls()).not.toEqual([]);
    },
  );

  test('ends a call of the same tick', async ({ real, expect }) => {
    const controller = new AbortController();
    const call = real.generate(CODE, THINKING.script, { signal: controller.signal });
    await expectAbort(real, controller, call, Promise.resolve());
    expect(real.modelCalls()).toEqual([]);
  });

  test('sends nothing to the backend before the call', async ({ real, expect }) => {
    const signal = AbortSignal.abort('never mind');
    const call = real.generate(CODE, THINKING.script, { signal });
    await expect(call).rejects.toBe('never mind');
    await real.expectNothingLeft();
    expect(real.backend.requests).toEqual([]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

/**
 * Long enough for the turn to reach its stage, which each test checks. 10 s was once too short on a
 * busy machine.
 */
const timeoutMs = 30_000;

describe.concurrent('timeoutMs', () => {
  test.for<Case>([
    { variant: HOSTED, stage: DRAWING_HOSTED },
    { variant: HOSTED, stage: TALKING },
    { variant: CODE, stage: THINKING },
    { variant: CODE, stage: DRAWING },
    { variant: DIRECT, stage: TALKING },
  ])('ends the call $stage.when: $variant.name', async ({ variant, stage }, { real, expect }) => {
    const { signal } = new AbortController();
    const { spoken, onProgress } = firstWords();
    const options = { signal, timeoutMs, completion: 'exit' } as const;
    const call = failure(real.generate(variant, stage.script, options, onProgress));
    await stage.reached(real, spoken);
    const error = await call;
    await real.expectNothingLeft();
    expect(error).toMatchObject({
      code: 'TIMEOUT',
      status: 504,
      retryable: true,
      threadId: real.threadId(),
    });
    expect(error.message).toContain('within 30 s');
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe.concurrent('the process tree', () => {
  test.for([HOSTED, CODE])(
    'is stopped with the native binary: $name',
    async (variant, { real, expect }) => {
      const controller = new AbortController();
      const options = { signal: controller.signal, codexPath: variant.cli.binary };
      const call = real.generate(variant, THINKING.script, options);
      await real.modelCalled();
      expect(real.processes().map(({ program }) => program)).toContain(variant.cli.binary);
      await expectAbort(real, controller, call, Promise.resolve());
    },
  );

  // Windows has no signals to pass on, and starts no scripts.
  const testLauncher = test.skipIf(WINDOWS);

  describe.for([2000, 0])(
    'behind a launcher that passes no signal on, killGraceMs %d',
    (killGraceMs) => {
      testLauncher.for([HOSTED, CODE])('is stopped: $name', async (variant, { real, expect }) => {
        const controller = new AbortController();
        const codexPath = await launcher(real, variant.cli);
        const options = { signal: controller.signal, codexPath, killGraceMs };
        const call = real.generate(variant, THINKING.script, options);
        await real.modelCalled();
        // The script above, npm's launcher (which on a recent Node is replaced by Codex) and Codex.
        const programs = real.processes().map(({ program }) => program);
        expect(programs.length).toBeGreaterThan(1);
        expect(programs).toContain(variant.cli.binary);
        await expectAbort(real, controller, call, Promise.resolve());
      });
    },
  );

  testLauncher.for([HOSTED, CODE])(
    'is stopped at the image behind a launcher that passes no signal on: $name',
    async (variant, { real, expect }) => {
      const codexPath = await launcher(real, variant.cli);
      const image = await real.generate(variant, TALKING.script, { codexPath });
      await real.expectNothingLeft();
      expect(Buffer.compare(image, PICTURE)).toBe(0);
    },
  );
});

describe.concurrent("a tool of the agent's that still runs", () => {
  const SLEEP = 'sleep 86400';

  describe.for(SANDBOXES_WITH_SHELL)('%s', (sandbox) => {
    test.for(VARIANTS)('is stopped by an abort, $name', async (variant, { real, expect }) => {
      const controller = new AbortController();
      const script = [shell(SLEEP), draw({ image: PICTURE })];
      const call = real.generate(variant, script, { sandbox, signal: controller.signal });
      await expectAbort(real, controller, call, real.runs(SLEEP));
      expect(real.modelCalls()).toHaveLength(1);
    });
  });

  test('is stopped by a timeout', async ({ real, expect }) => {
    const options = { sandbox: 'danger-full-access', timeoutMs } as const;
    const call = failure(real.generate(DIRECT, [shell(SLEEP), ENDLESS], options));
    await real.runs(SLEEP);
    expect(await call).toMatchObject({ code: 'TIMEOUT' });
    await real.expectNothingLeft();
  });

  // Codex goes on without a command after ten seconds.
  describe.for(SANDBOXES_WITH_SHELL)('%s', (sandbox) => {
    test.for(VARIANTS)(
      'is stopped when the image is complete, $name',
      async (variant, { real, expect }) => {
        const call = real.generate(variant, [shell(SLEEP), draw({ image: PICTURE }), ENDLESS], {
          sandbox,
        });
        await real.runs(SLEEP);
        expect(Buffer.compare(await call, PICTURE)).toBe(0);
        await real.expectNothingLeft();
      },
    );
  });

  describe('in the background, in a session of its own, ignoring every termination signal', () => {
    // macOS has the system call, and no program for it.
    const setsid = MACOS ? "perl -MPOSIX=setsid -e 'setsid; exec @ARGV'" : 'setsid';
    const BACKGROUND = shell(
      WINDOWS
        ? `Start-Process powershell -WindowStyle Hidden -ArgumentList '-Command', '${SLEEP}'`
        : // Codex ends what is in the session of its shell when that ends: so the shell waits, for the end of this output,
          // until its tool has left.
          `: $(${setsid} sh -c 'trap "" TERM INT HUP; exec >/dev/null 2>&1; ${SLEEP}' &)`,
    );

    test.for(VARIANTS)('is stopped by an abort, $name', async (variant, { real, expect }) => {
      const controller = new AbortController();
      const options = {
        sandbox: 'danger-full-access',
        signal: controller.signal,
        killGraceMs: 100,
      } as const;
      const call = real.generate(variant, [BACKGROUND, think(ENDLESS_MS)], options);
      await expectAbort(
        real,
        controller,
        call,
        Promise.all([real.runs(SLEEP), real.modelCalled(2)]),
      );
      expect(real.modelCalls()).toHaveLength(2);
    });

    test.for(['image', 'exit'] as const)(
      "is stopped after a success, completion '%s'",
      async (completion, { real, expect }) => {
        const options = { sandbox: 'danger-full-access', completion, killGraceMs: 100 } as const;
        const script = [BACKGROUND, think(300), draw({ image: PICTURE }), copy()];
        const call = real.generate(DIRECT, script, options);
        await real.runs(SLEEP);
        expect(Buffer.compare(await call, PICTURE)).toBe(0);
        await real.expectNothingLeft();
      },
    );
  });

  // Only Linux shows an inherited limit.
  test.skipIf(!LINUX)(
    "is stopped without the call's environment, session, parent and directory",
    async ({ real, expect }) => {
      const file = path.join(real.scratch, 'hidden.pid');
      const hidden = `env -i setsid -f sh -c 'echo $$ >${file}; exec >/dev/null 2>&1; ${SLEEP}'`;
      const controller = new AbortController();
      const options = { sandbox: 'danger-full-access', signal: controller.signal } as const;
      const script = [shell(`cd / && ${hidden}; sleep 1`), think(ENDLESS_MS)];
      const call = real.generate(DIRECT, script, options);
      await expectAbort(real, controller, call, real.modelCalled(2));
      const pid = Number(await readFile(file, 'utf8'));
      expect(pid).toBeGreaterThan(1);
      expect(processes().filter((one) => one.pid === pid && one.state !== 'Z')).toEqual([]);
    },
  );
});
