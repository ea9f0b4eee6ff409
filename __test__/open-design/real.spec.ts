// `codex-image-gen` through the dispatcher with the real Codex CLI and a loopback backend.

import path from 'node:path';

import { describe, expect } from 'vitest';

import { draw, say, shell, talk, usageLimit } from '../support/loopback/backend.js';
import { makePng } from '../support/image/picture.js';
import { CODE, HOSTED } from '../support/real/variants.js';
import { installedEnv, testReal as test } from './support/daemon.js';

const PICTURE = makePng({ width: 512, height: 384, seed: 1 });
const REFERENCE = makePng({ width: 96, height: 64, seed: 2 });
const ENDLESS = talk(600_000);
const TOOL = 'sleep 600';

describe.for([HOSTED, CODE])('Open Design with Codex $name', (variant) => {
  test('draws an image into the project', async ({ real, daemon }) => {
    daemon.resolve(installedEnv(real, variant));
    real.backend.play([draw({ image: PICTURE }), ENDLESS]);
    const prompt = 'a red fox, flat design';
    const task = await daemon.client.draw({ prompt, aspect: '4:3', output: 'fox.png' });
    expect(task).toMatchObject({
      status: 'done',
      file: { name: 'fox.png', size: PICTURE.length, mime: 'image/png' },
    });
    expect(task.progress.length).toBeGreaterThan(0);
    expect(Buffer.compare(await daemon.read('fox.png'), PICTURE)).toBe(0);
    expect(real.asked()).toMatchObject({ brief: prompt, aspect: '4:3' });
    await real.expectNothingLeft();
  });

  test('uses the reference images of the project', async ({ real, daemon }) => {
    daemon.resolve(installedEnv(real, variant));
    await daemon.add('first.png', REFERENCE);
    real.backend.play([draw({ image: PICTURE }), ENDLESS]);
    expect(await daemon.client.draw({ image: 'first.png' })).toMatchObject({ status: 'done' });
    const references = real.asked().references.map((file) => path.basename(file));
    expect(references).toEqual(['reference-1.png']);
    expect(await daemon.files()).toEqual(['first.png', 'image.png']);
  });

  test('reports why there is no image', async ({ real, daemon }) => {
    daemon.resolve(installedEnv(real, variant));
    real.backend.play([draw({ failure: usageLimit() }), say('I could not draw it.')]);
    const { error } = await daemon.client.draw();
    expect(error).toMatchObject({ code: 'USAGE_LIMIT', status: 429, retryable: false });
    expect(error?.message).toContain('resets on a rolling window');
    expect(await daemon.files()).toEqual([]);
  });

  test('goes on when the client disconnects', async ({ real, daemon }) => {
    daemon.resolve(installedEnv(real, variant));
    real.backend.play([draw({ image: PICTURE, ms: 1500 }), ENDLESS]);
    const taskId = await daemon.client.start();
    const leaving = new AbortController();
    const waiting = daemon.client.follow(taskId, leaving.signal);
    await daemon.followed(taskId, 1);
    leaving.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    expect(await daemon.client.follow(taskId)).toMatchObject({ status: 'done' });
    expect(Buffer.compare(await daemon.read('image.png'), PICTURE)).toBe(0);
  });

  test("stops with the daemon, and with the agent's tool", async ({ real, daemon }) => {
    daemon.resolve(installedEnv(real, variant));
    real.backend.play([shell(TOOL), say('Done.')]);
    const taskId = await daemon.client.start();
    await real.runs(TOOL);
    await daemon.stop();
    await real.expectNothingLeft();
    const error = { code: 'DAEMON_STOPPING' };
    expect(await daemon.row(taskId)).toMatchObject({ status: 'failed', error });
    expect(await daemon.files()).toEqual([]);
  });
});
