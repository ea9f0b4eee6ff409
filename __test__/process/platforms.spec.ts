// Faults that only one system has. What holds on every system is in `src/process/tests.rs`, and in
// the other specs: that a tree dies after an abort (`tree`), and with its host process
// (`host-process`).

import path from 'node:path';

import { describe, expect } from 'vitest';

import { rejection } from '../support/call/abort.js';
import { workIn } from '../support/process/unrelated.js';
import { MACOS, WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { HANG, RUNNING, save, turn } from '../support/stub/steps.js';
import { StubCodex, test } from '../support/stub/stub.js';
import { POLLING } from '../support/process/survivors.js';

describe.skipIf(!WINDOWS)('a call on Windows', () => {
  test('removes its workspace as soon as no process works in it', async ({ codex }) => {
    const controller = new AbortController();
    const steps = turn({ do: 'tool' }, RUNNING, HANG);
    const call = codex.generate(steps, { signal: controller.signal });
    await codex.reached('running');
    const [workspace = ''] = codex.runDirs();
    const unrelated = await workIn(path.join(codex.temporary, workspace));
    controller.abort('enough');
    const end = rejection(call);
    await expect.poll(() => codex.survivors(), POLLING).toEqual([]);
    unrelated.kill('SIGKILL');
    expect(await end).toEqual({ reason: 'enough' });
    await codex.expectNothingLeft();
  });

  test('completes an environment that lacks what Windows needs', async ({ codex }) => {
    expect(Object.keys(codex.env)).not.toContain('SystemRoot');
    expect(await codex.generate(turn(save('store', PICTURE)))).toEqual(PICTURE);
  });
});

describe.skipIf(!MACOS)('a call on macOS', () => {
  test('settles although a group of zombies cannot be signalled', async ({ codex }) => {
    expect(await failure(codex.generate(turn()))).toMatchObject({ code: 'NO_IMAGE' });
    await codex.expectNothingLeft();
  });

  test('does not hold open the input of one that starts at the same time', async ({ codex }) => {
    const others = await Promise.all(Array.from({ length: 7 }, () => StubCodex.create()));
    const calls = [codex, ...others].map((one) => one.generate(turn(save('store', PICTURE))));
    expect(await Promise.all(calls)).toEqual(calls.map(() => PICTURE));
    await Promise.all(others.map((one) => one.close()));
  });
});
