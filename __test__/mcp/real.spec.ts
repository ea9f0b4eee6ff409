// The built server with the official client, the real Codex CLI and a loopback backend.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { rejection } from '../support/call/abort.js';
import { makePng } from '../support/image/picture.js';
import { draw, say, talk, usageLimit } from '../support/loopback/backend.js';
import { dataOf, ERAS, withClient } from '../support/mcp/client.js';
import { POLLING } from '../support/process/survivors.js';
import { test as base } from '../support/real/real.js';
import { CODE } from '../support/real/variants.js';
import type { CommandEnvironment } from '../support/cli/command.js';

const PICTURE = makePng({ width: 512, height: 384, seed: 1 });

const test = base.extend<{ commandEnv: CommandEnvironment }>({
  commandEnv: async ({ real }, use) => {
    await use({ scratch: real.scratch, env: { ...real.env, CODEX_BIN: CODE.cli.launcher } });
  },
});

describe.for(ERAS)('a client of $version', (era) => {
  test('draws with the real CLI, under the sandbox read-only', async ({ real, commandEnv }) => {
    real.backend.play([draw({ image: PICTURE }), talk(600_000)]);
    const file = path.join(real.scratch, 'fox.png');
    const prompt = 'a red fox, "flat" design';
    const result = await withClient(commandEnv, { era, roots: [real.scratch] }, async (client) => {
      expect((await client.client.listTools()).tools).toHaveLength(3);
      return client.call('generate_image', { prompt, aspect: '4:3', output_path: 'fox.png' });
    });
    expect(dataOf(result)).toMatchObject({
      images: [{ path: file, width: 512, height: 384, verified: true, thread_id: real.threadId() }],
      failures: [],
    });
    expect(real.asked()).toMatchObject({ brief: prompt, aspect: '4:3' });
    expect(Buffer.compare(await readFile(file), PICTURE)).toBe(0);
    expect(await readdir(real.scratch)).toEqual(['fox.png']);
    await real.expectNothingLeft();
  });

  test('cancels a call of the real CLI, which leaves nothing', async ({ real, commandEnv }) => {
    real.backend.play([draw({ ms: 600_000 })]);
    await withClient(commandEnv, { era }, async (client) => {
      const controller = new AbortController();
      const options = { signal: controller.signal };
      const call = client.call('generate_image', { prompt: 'a red fox' }, options);
      await real.imageCalled();
      controller.abort();
      await rejection(call);
      await expect.poll(() => real.leftFiles(), POLLING).toEqual([]);
    });
    await real.expectNothingLeft();
    expect(await readdir(real.scratch)).toEqual([]);
  });
});

test('a path outside of the roots reaches no backend', async ({ real, commandEnv }) => {
  real.backend.play([draw({ image: PICTURE }), say('Done.')]);
  const result = await withClient(commandEnv, {}, (client) =>
    client.call('generate_image', { prompt: 'a red fox', output_path: '../fox.png' }),
  );
  expect(dataOf(result).failures).toMatchObject([{ code: 'OUTSIDE_ROOTS' }]);
  expect(real.backend.requests).toEqual([]);
});

test('of several pictures, those that succeed are returned', async ({ real, commandEnv }) => {
  let turns = 0;
  real.backend.play(() => {
    turns += 1;
    if (turns > 1) return [draw({ failure: usageLimit() }), say('I could not draw it.')];
    return [draw({ image: PICTURE }), say('Done.')];
  });
  const result = await withClient(commandEnv, {}, (client) =>
    client.call('generate_image', { prompt: 'a red fox', count: 2 }),
  );
  expect(result.isError).toBeUndefined();
  const { images, failures } = dataOf(result);
  expect(images).toMatchObject([{ path: expect.stringMatching(/a-red-fox-[12]\.png$/) }]);
  expect(failures).toMatchObject([{ code: 'USAGE_LIMIT', fix: expect.any(String) }]);
  expect(await readdir(real.scratch)).toHaveLength(1);
});
