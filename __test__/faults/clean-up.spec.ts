// What a run may leave in its workspace, and what if it cannot be removed.
//
// Found elsewhere: workspace 0700 under umask 000 (`command.spec.ts`, `the directory`: `is private whatever the umask`).

import { chmod, readdir, rm } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { BOUND_BY_MODES, generateElsewhere } from '../support/elsewhere.js';
import { png } from '../support/png.js';
import { save, type StubCodex, test, turn } from '../support/stub.js';

const PICTURE = png();

describe('left with', () => {
  test('`chmod 000` directories: removed', async ({ codex }) => {
    await codex.order(turn(save('store', PICTURE), { do: 'leave', what: 'locked directories' }));
    const options = codex.options({ completion: 'exit' });
    const { image } = await generateElsewhere(options, BOUND_BY_MODES);
    expect(image).toMatchObject({ source: 'store', warnings: [] });
    expect(await codex.workspaces()).toEqual([]);
  });

  test.for<[what: string, leave: 'many files' | 'odd names']>([
    ['10,000 files', 'many files'],
    ['non-UTF-8 names', 'odd names'],
  ])('%s: removed', async ([, what], { codex }) => {
    const steps = turn({ do: 'leave', what }, save('workspace', PICTURE));
    const image = await codex.generateDetailed(steps);
    expect(image).toMatchObject({ png: PICTURE, warnings: [] });
    expect(await codex.workspaces()).toEqual([]);
  });
});

describe('impossible', () => {
  /** The workspace is empty by then, but cannot be taken out of its directory. */
  async function release(codex: StubCodex): Promise<void> {
    const workspaces = await codex.workspaces();
    expect(workspaces).toHaveLength(1);
    await chmod(codex.temporary, 0o700);
    for (const workspace of workspaces) {
      const directory = path.join(codex.temporary, workspace);
      expect(await readdir(directory)).toEqual([]);
      await rm(directory, { recursive: true });
    }
  }

  test('the image is still returned and the problem reported', async ({ codex }) => {
    await codex.order(turn(save('workspace', PICTURE), { do: 'leave', what: 'locked parent' }));
    const { image } = await generateElsewhere(codex.options(), BOUND_BY_MODES);
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
    const { error } = await generateElsewhere(codex.options(), BOUND_BY_MODES);
    expect(error).toMatchObject({ code: 'CODEX_FAILED' });
    expect(error?.detail).toContain('The workspace could not be removed');
    await release(codex);
  });
});
