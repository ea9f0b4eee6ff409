// What Codex may leave in its workspace, and run directories that cannot be removed.
// `codex/command` has the mode of a workspace.

import { once } from 'node:events';
import { chmod, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { workIn } from '../support/process/unrelated.js';
import {
  BOUND_BY_MODES,
  generateInOwnProcess,
  mayMount,
  WITH_64_DESCRIPTORS,
  WITH_OWN_MOUNTS,
  type Wrapper,
} from '../support/process/own-process.js';
import { LINUX, WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import type { Leftover } from '../support/stub/stub-script.js';
import { RUNNING, save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

describe('a workspace', () => {
  // Windows has no modes. `src/files/windows/removal.rs` tests the removal of read-only files.
  test.skipIf(WINDOWS)('is removed with `chmod 000` directories', async ({ codex }) => {
    await codex.play(turn(save('store', PICTURE), { do: 'leave', what: 'locked directories' }));
    const options = codex.options({ completion: 'exit' });
    const { image } = await generateInOwnProcess(options, BOUND_BY_MODES);
    expect(image).toMatchObject({ source: 'store', warnings: [] });
    expect(codex.runDirs()).toEqual([]);
  });

  async function expectRemoved(codex: StubCodex, what: 'many files' | 'odd names'): Promise<void> {
    const steps = turn({ do: 'leave', what }, save('workspace', PICTURE));
    const image = await codex.generateDetailed(steps, { timeoutMs: 60_000 });
    expect(image).toMatchObject({ png: PICTURE, warnings: [] });
    expect(codex.runDirs()).toEqual([]);
  }

  test('is removed with 10,000 files', ({ codex }) => expectRemoved(codex, 'many files'));

  // Only Linux allows such names.
  test.skipIf(!LINUX)('is removed with names that are no UTF-8', ({ codex }) =>
    expectRemoved(codex, 'odd names'),
  );
});

// On Windows no process can work in such a deep directory, and handles are not counted. Most of the
// time is the stub's, to make the tree.
describe.skipIf(WINDOWS)('a workspace deeper than any path', () => {
  /** In its own process, because a stack overflow would end it. */
  async function expectRemoved(codex: StubCodex, what: Leftover, wrapper: Wrapper): Promise<void> {
    await codex.play(turn({ do: 'leave', what }, save('store', PICTURE)));
    const options = codex.options({ completion: 'exit' });
    const { image } = await generateInOwnProcess(options, wrapper);
    expect(image).toMatchObject({ source: 'store', warnings: [] });
    expect(codex.runDirs()).toEqual([]);
  }

  test.for<[what: Leftover, how: string, wrapper: Wrapper]>([
    ['deep directories', '', []],
    ['deep directories', ' with 64 descriptors', WITH_64_DESCRIPTORS],
  ])('is removed: %s%s', ([what, , wrapper], { codex }) => expectRemoved(codex, what, wrapper));

  test('is removed with all other obstacles, bound by modes, with 64 descriptors', async ({
    codex,
  }) => {
    const before = await stat(codex.controlDir);
    await expectRemoved(codex, 'everything', [...WITH_64_DESCRIPTORS, ...BOUND_BY_MODES]);
    expect((await stat(codex.controlDir)).mode).toBe(before.mode);
    expect(await readdir(codex.controlDir)).toContain('script.json');
  });
});

describe.skipIf(!mayMount())('a mount point (takes the right to mount)', () => {
  test('is left with what is mounted there, and is reported', async ({ codex }) => {
    await codex.play(turn({ do: 'leave', what: 'a mount point' }, save('store', PICTURE)));
    const options = codex.options({ completion: 'exit' });
    const { image } = await generateInOwnProcess(options, WITH_OWN_MOUNTS);
    expect(image?.warnings).toEqual([
      expect.stringMatching(/^The private directory of the call could not be removed: .*busy/),
    ]);
    expect(await readdir(codex.controlDir)).toContain('script.json');
    // The mount is gone with its namespace, and the next host process may remove the rest.
    await codex.play(turn(save('store', PICTURE)));
    await generateInOwnProcess(options);
    expect(codex.runDirs()).toEqual([]);
  });
});

// Windows has no modes.
describe.skipIf(WINDOWS)('a run directory that cannot be removed', () => {
  /**
   * Asserts that the run directory holds only its proof, and that the next host process removes it.
   */
  async function release(codex: StubCodex): Promise<void> {
    const runDirs = codex.runDirs();
    expect(runDirs).toHaveLength(1);
    await chmod(codex.temporary, 0o700);
    for (const runDir of runDirs) {
      const directory = path.join(codex.temporary, runDir);
      // The proof of origin, for the next host process.
      expect(await readdir(directory)).toEqual(['run']);
    }
    await codex.play(turn(save('store', PICTURE)));
    await generateInOwnProcess(codex.options());
    expect(codex.runDirs()).toEqual([]);
  }

  test('is reported in the warnings of the image', async ({ codex }) => {
    await codex.play(turn(save('workspace', PICTURE), { do: 'leave', what: 'locked parent' }));
    const { image } = await generateInOwnProcess(codex.options(), BOUND_BY_MODES);
    expect(image?.source).toBe('workspace');
    expect(image?.warnings).toEqual([
      expect.stringMatching(
        /^The private directory of the call could not be removed: Permission denied/,
      ),
    ]);
    await release(codex);
  });

  test('is reported in the detail of an error', async ({ codex }) => {
    await codex.play([
      { do: 'leave', what: 'locked parent' },
      { do: 'exit', code: 1 },
    ]);
    const { error } = await generateInOwnProcess(codex.options(), BOUND_BY_MODES);
    expect(error).toMatchObject({ code: 'CODEX_FAILED' });
    expect(error?.detail).toContain('The private directory of the call could not be removed');
    await release(codex);
  });
});

describe.skipIf(!WINDOWS)(
  'a run directory that cannot be removed because a process works there',
  () => {
    test('is reported in the warnings of the image', async ({ codex }) => {
      const waits: Step[] = [RUNNING, { do: 'await', gate: 'end' }];
      const call = codex.generateDetailed(turn(...waits, save('workspace', PICTURE)));
      await codex.reached('running');
      const [runDir = ''] = codex.runDirs();
      const worker = await workIn(path.join(codex.temporary, runDir));
      await codex.open('end');
      const { png: image, warnings } = await call;
      expect(image).toEqual(PICTURE);
      expect(warnings).toEqual([
        expect.stringMatching(/^The private directory of the call could not be removed: /),
      ]);
      worker.kill();
      await once(worker, 'exit');
      await rm(path.join(codex.temporary, runDir), { recursive: true });
    });
  },
);
