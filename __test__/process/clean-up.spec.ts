// What a run may leave in its workspace, and what if it cannot be removed.
//
// Found elsewhere: workspace 0700 under umask 000 (`command.spec.ts`, `the directory`: `is private whatever the umask`).

import { once } from 'node:events';
import { chmod, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { workIn } from '../support/bystander.js';
import {
  BOUND_BY_MODES,
  generateInOwnProcess,
  mayMount,
  WITH_64_DESCRIPTORS,
  WITH_OWN_MOUNTS,
  type Wrapper,
} from '../support/own-process.js';
import { LINUX, WINDOWS } from '../support/platform.js';
import { png } from '../support/png.js';
import type { Leftover } from '../support/stub-orders.js';
import { save, type Step, type StubCodex, test, turn } from '../support/stub.js';

const PICTURE = png();

describe('left with', () => {
  // Modes are Unix's. What is read-only on Windows is removed in the tests of `src/files/windows.rs`.
  test.skipIf(WINDOWS)('`chmod 000` directories: removed', async ({ codex }) => {
    await codex.order(turn(save('store', PICTURE), { do: 'leave', what: 'locked directories' }));
    const options = codex.options({ completion: 'exit' });
    const { image } = await generateInOwnProcess(options, BOUND_BY_MODES);
    expect(image).toMatchObject({ source: 'store', warnings: [] });
    expect(await codex.workspaces()).toEqual([]);
  });

  async function expectRemoved(codex: StubCodex, what: 'many files' | 'odd names'): Promise<void> {
    const steps = turn({ do: 'leave', what }, save('workspace', PICTURE));
    const image = await codex.generateDetailed(steps, { timeoutMs: 60_000 });
    expect(image).toMatchObject({ png: PICTURE, warnings: [] });
    expect(await codex.workspaces()).toEqual([]);
  }

  test('10,000 files: removed', ({ codex }) => expectRemoved(codex, 'many files'));

  // Other systems have no such names.
  test.skipIf(!LINUX)('non-UTF-8 names: removed', ({ codex }) => expectRemoved(codex, 'odd names'));
});

// A process of Windows's works in no directory whose path is that long, and its handles are not
// counted. What the tree costs the stub is most of the time.
describe.skipIf(WINDOWS)('a tree that no path reaches', () => {
  /** In a process of its own, which a stack that is too deep would end. */
  async function expectRemoved(codex: StubCodex, what: Leftover, wrapper: Wrapper): Promise<void> {
    await codex.order(turn({ do: 'leave', what }, save('store', PICTURE)));
    const options = codex.options({ completion: 'exit' });
    const { image } = await generateInOwnProcess(options, wrapper);
    expect(image).toMatchObject({ source: 'store', warnings: [] });
    expect(await codex.workspaces()).toEqual([]);
  }

  test.for<[what: Leftover, how: string, wrapper: Wrapper]>([
    ['deep directories', '', []],
    ['deep directories', ' with 64 descriptors', WITH_64_DESCRIPTORS],
  ])('is removed: %s%s', ([what, , wrapper], { codex }) => expectRemoved(codex, what, wrapper));

  test('is removed with everything else at once, bound by modes, with 64 descriptors', async ({
    codex,
  }) => {
    const before = await stat(codex.desk);
    await expectRemoved(codex, 'everything', [...WITH_64_DESCRIPTORS, ...BOUND_BY_MODES]);
    expect((await stat(codex.desk)).mode).toBe(before.mode);
    expect(await readdir(codex.desk)).toContain('orders.json');
  });
});

describe.skipIf(!mayMount())('a mount point (takes the right to mount)', () => {
  test('is left with all that is mounted there, and is reported', async ({ codex }) => {
    await codex.order(turn({ do: 'leave', what: 'a mount point' }, save('store', PICTURE)));
    const options = codex.options({ completion: 'exit' });
    const { image } = await generateInOwnProcess(options, WITH_OWN_MOUNTS);
    expect(image?.warnings).toEqual([
      expect.stringMatching(/^The workspace could not be removed: .*busy/),
    ]);
    expect(await readdir(codex.desk)).toContain('orders.json');
    // The mount has gone with its namespace, and the next daemon may remove the rest.
    await codex.order(turn(save('store', PICTURE)));
    await generateInOwnProcess(options);
    expect(await codex.workspaces()).toEqual([]);
  });
});

// By modes, which are Unix's.
describe.skipIf(WINDOWS)('impossible', () => {
  /**
   * The workspace is empty by then, but cannot be taken out of its directory. The next daemon can.
   */
  async function release(codex: StubCodex): Promise<void> {
    const workspaces = await codex.workspaces();
    expect(workspaces).toHaveLength(1);
    await chmod(codex.temporary, 0o700);
    for (const workspace of workspaces) {
      const directory = path.join(codex.temporary, workspace);
      // The proof of its origin, for the next daemon.
      expect(await readdir(directory)).toEqual(['run']);
    }
    await codex.order(turn(save('store', PICTURE)));
    await generateInOwnProcess(codex.options());
    expect(await codex.workspaces()).toEqual([]);
  }

  test('the image is still returned and the problem reported', async ({ codex }) => {
    await codex.order(turn(save('workspace', PICTURE), { do: 'leave', what: 'locked parent' }));
    const { image } = await generateInOwnProcess(codex.options(), BOUND_BY_MODES);
    expect(image?.source).toBe('workspace');
    expect(image?.warnings).toEqual([
      expect.stringMatching(/^The workspace could not be removed: Permission denied/),
    ]);
    await release(codex);
  });

  test('an error is still that error, and the problem reported in its detail', async ({
    codex,
  }) => {
    await codex.order([
      { do: 'leave', what: 'locked parent' },
      { do: 'exit', code: 1 },
    ]);
    const { error } = await generateInOwnProcess(codex.options(), BOUND_BY_MODES);
    expect(error).toMatchObject({ code: 'CODEX_FAILED' });
    expect(error?.detail).toContain('The workspace could not be removed');
    await release(codex);
  });
});

describe.skipIf(!WINDOWS)('impossible on Windows, because somebody works there', () => {
  test('the image is still returned and the problem reported', async ({ codex }) => {
    const waits: Step[] = [
      { do: 'reach', mark: 'running' },
      { do: 'await', gate: 'end' },
    ];
    const call = codex.generateDetailed(turn(...waits, save('workspace', PICTURE)));
    await codex.reached('running');
    const [workspace = ''] = await codex.workspaces();
    const somebody = await workIn(path.join(codex.temporary, workspace));
    await codex.open('end');
    const { png: image, warnings } = await call;
    expect(image).toEqual(PICTURE);
    expect(warnings).toEqual([expect.stringMatching(/^The workspace could not be removed: /)]);
    somebody.kill();
    await once(somebody, 'exit');
    await rm(path.join(codex.temporary, workspace), { recursive: true });
  });
});
