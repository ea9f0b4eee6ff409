// The built command with the real Codex CLI and a loopback backend.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { expect } from 'vitest';

import { events, run } from '../support/cli/command.js';
import { draw, talk } from '../support/loopback/backend.js';
import { makePng } from '../support/image/picture.js';
import { test } from '../support/real/real.js';
import { CODE } from '../support/real/variants.js';

const PICTURE = makePng({ width: 512, height: 384, seed: 1 });

test('the command draws with the real CLI', async ({ real }) => {
  real.backend.play([draw({ image: PICTURE }), talk(600_000)]);
  const commandEnv = { scratch: real.scratch, env: { ...real.env, CODEX_BIN: CODE.cli.launcher } };
  const prompt = 'a red fox, "flat" design';
  const outcome = await run(commandEnv, ['-', '-o', 'fox.png', '-a', '4:3', '--json'], {
    stdin: prompt,
  });
  expect(outcome).toMatchObject({ code: 0, stderr: '' });
  await real.expectNothingLeft();
  expect(real.asked()).toMatchObject({ brief: prompt, aspect: '4:3' });
  expect(events(outcome).at(-1)).toMatchObject({
    type: 'result',
    path: path.join(real.scratch, 'fox.png'),
    width: 512,
    height: 384,
    source: 'store',
    threadId: real.threadId(),
    codexVersion: CODE.cli.version,
  });
  expect(Buffer.compare(await readFile(path.join(real.scratch, 'fox.png')), PICTURE)).toBe(0);
  expect(await readdir(real.scratch)).toEqual(['fox.png']);
});
