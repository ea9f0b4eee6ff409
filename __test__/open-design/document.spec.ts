// The code blocks of docs/open-design.md compile in their places by Open Design's own settings, and
// equal what the package exports.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { inspect } from 'node:util';

import { expect, onTestFinished, test } from 'vitest';

import * as models from '../../dist/models.mjs';
import { compose, discard, places, readBlocks, ROOT, typeErrors } from './support/compose.js';

const blocks = await readBlocks();

test.for(['apps/daemon', 'apps/web', 'tools/pack'] as const)(
  'the blocks typecheck in their places: %s',
  async (part) => {
    const directory = await compose(blocks);
    onTestFinished(() => discard(directory));
    expect(typeErrors(directory, part)).toEqual([]);
  },
);

test('every place has its block, and every fenced block of TypeScript names one', async () => {
  const filled = blocks.flatMap(({ file, place }) =>
    place === undefined ? [] : `${file}#${place}`,
  );
  expect(filled.toSorted()).toEqual((await places()).toSorted());
  const text = await readFile(path.join(ROOT, 'docs/open-design.md'), 'utf8');
  expect(text.match(/^```tsx?\b/gm)).toHaveLength(blocks.length);
});

test('a block with a mistake does not typecheck', async () => {
  const wrong = blocks.map((block) =>
    block.place === 'branch'
      ? { ...block, code: block.code.replace('args.signal', 'args.onProgress') }
      : block,
  );
  const directory = await compose(wrong);
  onTestFinished(() => discard(directory));
  expect(typeErrors(directory, 'apps/daemon')).toEqual([
    expect.stringMatching(/^apps\/daemon\/src\/media\/index\.ts:\d+: .*AbortSignal/),
  ]);
});

test.for(['apps/daemon', 'apps/web'])('the entries of %s are those of the package', (app) => {
  const of = (wanted: string): string | undefined =>
    blocks
      .find(({ file, place }) => file === `${app}/src/media/models.ts` && place === wanted)
      ?.code.trim();
  expect(of('provider')).toBe(written(models.CODEX_CLI_PROVIDER));
  expect(of('model')).toBe(written(models.CODEX_IMAGE_GEN_MODEL));
});

/** Returns the entry in one line, as Open Design writes it. */
function written(entry: object): string {
  const text = inspect(entry, { breakLength: Infinity, compact: true });
  return `${text.replaceAll(/(?<=\[) | (?=\])/g, '')},`;
}

test('repeated blocks are the same', () => {
  for (const place of ['dependency', 'external', 'forbidden']) {
    const [mac, windows] = blocks.filter((block) => block.place === place);
    expect(windows).toMatchObject({ code: mac?.code });
  }
});
