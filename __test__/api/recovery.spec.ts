// A generated image is not lost if Codex does not save it, or if the call ends before.

import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect, onTestFinished } from 'vitest';

import { type GenerateOptions, recoverCodexImage, type RecoverOptions } from '../../index.js';
import { HostProcess } from '../support/process/host-process.js';
import { png } from '../support/image/small-png.js';
import { failure, listener } from '../support/call/outcome.js';
import {
  addToRollout,
  HANG,
  RUNNING,
  save,
  THREAD,
  turn,
  TURN_STARTED,
  turnFailed,
} from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { RolloutForm, Step } from '../support/stub/stub-script.js';
import { bomb, frame, skippable, WINDOW } from '../support/image/zstd.js';
import { POLLING } from '../support/process/survivors.js';

const DRAWN = png({ seed: 1, width: 7, height: 5 });
const STORED = png({ seed: 2 });
const COPIED = png({ seed: 3 });

const ID = '0199d2c4-aaaa-7000-8000-0123456789ab';
const ANOTHER_ID = '0199d2c4-bbbb-7000-8000-0123456789ab';
/** Long enough for the stub to reach its mark, which each test checks. */
const TIMEOUT_MS = 2500;

const FORMS: [form: RolloutForm, as: string][] = [
  ['end', '`image_generation_end`, up to 0.150.1'],
  ['call', "`image_generation_call`, of the backend's hosted tool"],
  ['item', '`item_completed`, of 0.169.0'],
];

function recover(codex: StubCodex, threadId: string, options: Partial<RecoverOptions> = {}) {
  return recoverCodexImage({ threadId, env: codex.env, ...options });
}

/** Returns the line of a rollout with the image, as 0.169.0 writes it. */
function line(bytes: Uint8Array, write = (base64: string): string => base64): string {
  const result = write(Buffer.from(bytes).toString('base64'));
  const item = { type: 'Extension', kind: 'image_gen.generation', status: 'completed', result };
  return `${JSON.stringify({ type: 'event_msg', payload: { type: 'item_completed', item } })}\n`;
}

/** Writes the rollout of an earlier run. */
async function leaveRollout(
  codex: StubCodex,
  content: string | Uint8Array,
  place = 'sessions/2026/03/09',
  ending = '.jsonl',
): Promise<void> {
  const directory = path.join(codex.home, place);
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, `rollout-2026-03-09T10-11-12-${ID}${ending}`), content);
}

/** Writes a rollout that Codex has compressed since. */
function leaveCompressed(codex: StubCodex, content: Uint8Array, place?: string): Promise<void> {
  return leaveRollout(codex, content, place, '.jsonl.zst');
}

/** Writes an image from years ago into the thread's store. */
async function leaveStored(codex: StubCodex, bytes: Uint8Array): Promise<void> {
  const directory = path.join(codex.home, 'generated_images', ID);
  await mkdir(directory, { recursive: true });
  const file = path.join(directory, 'ig_1.png');
  await writeFile(file, bytes);
  await utimes(file, new Date('2024-01-01'), new Date('2024-01-01'));
}

describe.for(['image', 'exit'] as const)(
  "an image that Codex did not save, completion '%s'",
  (completion) => {
    test.for(FORMS)('is taken from the rollout: %s (%s)', async ([form], { codex }) => {
      const revisedPrompt = 'a "red" fox, studio light';
      const steps = turn(addToRollout(form, DRAWN, { revisedPrompt }));
      const image = await codex.generateDetailed(steps, { completion });
      expect(image).toMatchObject({
        png: DRAWN,
        width: 7,
        height: 5,
        source: 'rollout',
        verified: true,
        revisedPrompt,
        threadId: (await codex.turn()).threadId,
        warnings: [],
      });
    });

    test.for(['read-only', 'workspace-write', 'danger-full-access'] as const)(
      'is taken from the rollout in the sandbox %s',
      async (sandbox, { codex }) => {
        const steps = turn(addToRollout('end', DRAWN));
        const image = await codex.generateDetailed(steps, { completion, sandbox });
        expect(image).toMatchObject({ png: DRAWN, source: 'rollout', verified: true });
      },
    );

    test('has no revisedPrompt where the rollout has none', async ({ codex }) => {
      const image = await codex.generateDetailed(turn(addToRollout('item', DRAWN)), { completion });
      expect(image).not.toHaveProperty('revisedPrompt');
    });

    test('is the first valid one', async ({ codex }) => {
      const steps = turn(
        addToRollout('item', DRAWN.subarray(0, -20)),
        addToRollout('item', Buffer.from('ffd8ffe000104a464946', 'hex')),
        addToRollout('item', DRAWN),
        addToRollout('item', STORED),
      );
      expect(await codex.generate(steps, { completion })).toEqual(DRAWN);
    });

    test("is not taken from another thread's rollout", async ({ codex }) => {
      const steps = turn(addToRollout('end', DRAWN, { thread: ANOTHER_ID }));
      expect(await failure(codex.generate(steps, { completion }))).toMatchObject({
        code: 'NO_IMAGE',
      });
    });

    test('is not taken without a thread', async ({ codex }) => {
      const error = await failure(codex.generate([addToRollout('end', DRAWN)], { completion }));
      expect(error).toMatchObject({ code: 'NO_IMAGE' });
    });

    test('may be as large as maxImageBytes, and no larger', async ({ codex }) => {
      const steps = turn(addToRollout('end', DRAWN));
      const options = { completion, maxImageBytes: DRAWN.length };
      expect(await codex.generate(steps, options)).toEqual(DRAWN);
      await failure(codex.generate(steps, { completion, maxImageBytes: DRAWN.length - 1 }));
    });
  },
);

describe('an image in the rollout of a Codex that then fails', () => {
  const steps: Step[] = [
    THREAD,
    TURN_STARTED,
    addToRollout('end', DRAWN),
    turnFailed('stream error'),
    { do: 'exit', code: 1 },
  ];

  test("is returned with completion 'image'", async ({ codex }) => {
    const image = await codex.generateDetailed(steps);
    expect(image).toMatchObject({ png: DRAWN, source: 'rollout', verified: true });
  });

  test("can be recovered with completion 'exit'", async ({ codex }) => {
    const error = await failure(codex.generate(steps, { completion: 'exit' }));
    expect(error).toMatchObject({ code: 'CODEX_FAILED', exitCode: 1 });
    expect(await recover(codex, error.threadId ?? '')).toMatchObject({ png: DRAWN });
  });
});

describe('the order of the sources', () => {
  const IN_STORE = save('store', STORED);
  const IN_WORKSPACE = save('workspace', COPIED);
  const IN_ROLLOUT = addToRollout('item', DRAWN);

  test.for<[completion: GenerateOptions['completion'], source: string, steps: Step[]]>([
    ['image', 'store', [IN_ROLLOUT, IN_WORKSPACE, IN_STORE]],
    ['image', 'store', [IN_ROLLOUT, IN_STORE]],
    ['image', 'workspace', [IN_ROLLOUT, IN_WORKSPACE]],
    ['image', 'rollout', [IN_ROLLOUT]],
    ['exit', 'workspace', [IN_ROLLOUT, IN_WORKSPACE, IN_STORE]],
    ['exit', 'store', [IN_ROLLOUT, IN_STORE]],
    ['exit', 'workspace', [IN_ROLLOUT, IN_WORKSPACE]],
    ['exit', 'rollout', [IN_ROLLOUT]],
  ])("is kept, completion '%s': %s", async ([completion, source, steps], { codex }) => {
    const image = await codex.generateDetailed(turn(...steps), { completion });
    expect(image.source).toBe(source);
    const bytes = { store: STORED, workspace: COPIED, rollout: DRAWN };
    expect(image.png).toEqual(bytes[image.source]);
  });

  test('passes over broken files', async ({ codex }) => {
    const broken = DRAWN.subarray(0, 40);
    const steps = turn(save('store', broken), save('workspace', broken), IN_ROLLOUT);
    for (const completion of ['image', 'exit'] as const) {
      const image = await codex.generateDetailed(steps, { completion });
      expect(image).toMatchObject({ png: DRAWN, source: 'rollout' });
    }
  });

  test('holds though the agent says that it has no tool', async ({ codex }) => {
    const said: Step = {
      do: 'emit',
      event: {
        type: 'item.completed',
        item: { id: 'item_1', type: 'agent_message', text: 'IMAGE_GEN_UNAVAILABLE' },
      },
    };
    expect(await codex.generate(turn(IN_ROLLOUT, said))).toEqual(DRAWN);
  });
});

describe('recoverCodexImage', () => {
  test('returns the image of a call from the rollout', async ({ codex }) => {
    const steps = turn(addToRollout('end', DRAWN, { revisedPrompt: 'a fox' }));
    const drawn = await codex.generateDetailed(steps);
    const recovered = await recover(codex, drawn.threadId ?? '');
    for (const image of [drawn, recovered]) {
      expect(image).toMatchObject({
        png: DRAWN,
        width: 7,
        height: 5,
        hasAlpha: false,
        threadId: drawn.threadId,
        source: 'rollout',
        verified: true,
        revisedPrompt: 'a fox',
        warnings: [],
      });
    }
    expect(Buffer.isBuffer(recovered.png)).toBe(true);
    expect(recovered.timings.totalMs).toBeGreaterThanOrEqual(0);
    expect(Object.values(recovered)).not.toContain(undefined);
  });

  test('returns the image of a call from the store', async ({ codex }) => {
    const { threadId = '' } = await codex.generateDetailed(turn(save('store', STORED), HANG));
    expect(await recover(codex, threadId)).toMatchObject({ png: STORED, source: 'store' });
  });

  test('returns the image any number of times', async ({ codex }) => {
    await leaveRollout(codex, line(DRAWN));
    const images = await Promise.all([1, 2, 3].map(() => recover(codex, ID)));
    expect(images.map((image) => image.png)).toEqual([DRAWN, DRAWN, DRAWN]);
  });

  test('starts no process', async ({ codex }) => {
    await codex.play(turn(save('store', STORED)));
    await leaveRollout(codex, line(DRAWN));
    expect((await recover(codex, ID)).png).toEqual(DRAWN);
    expect(await codex.recordings()).toEqual([]);
  });

  test('returns an image of any age', async ({ codex }) => {
    await leaveStored(codex, STORED);
    expect(await recover(codex, ID)).toMatchObject({ png: STORED, source: 'store' });
  });

  test('prefers the store, and verifies it by the rollout', async ({ codex }) => {
    await leaveStored(codex, STORED);
    await leaveRollout(codex, line(DRAWN));
    expect(await recover(codex, ID)).toMatchObject({ source: 'store', verified: false });
    await leaveRollout(codex, line(DRAWN) + line(STORED));
    expect(await recover(codex, ID)).toMatchObject({ source: 'store', verified: true });
  });

  test('reads the rollout where the file in the store is broken', async ({ codex }) => {
    await leaveStored(codex, STORED.subarray(0, -8));
    await leaveRollout(codex, line(DRAWN));
    expect(await recover(codex, ID)).toMatchObject({ png: DRAWN, source: 'rollout' });
  });

  test('reads an archived rollout', async ({ codex }) => {
    await leaveRollout(codex, line(DRAWN), 'archived_sessions');
    expect(await recover(codex, ID)).toMatchObject({ png: DRAWN, source: 'rollout' });
  });

  test('reads a rollout of any day', async ({ codex }) => {
    for (const day of ['2025/12/31', '2026/03/10', '2027/01/01']) {
      await mkdir(path.join(codex.home, 'sessions', day), { recursive: true });
    }
    await leaveRollout(codex, line(DRAWN));
    expect(await recover(codex, ID)).toMatchObject({ png: DRAWN });
  });

  test.for<[what: string, before: string]>([
    ['blank lines', '\n\n'],
    ['cut JSON', '{"type":"event_msg","payload":{"type":"image_gener\n'],
    ['JSON that is no entry', 'null\n[]\n5\n"image_generation_end"\n{"payload":5}\n'],
    ['CRLF', '{}\r\n'],
    ['a line of two megabytes', `${JSON.stringify({ text: 'x'.repeat(2 << 20) })}\n`],
    ['an image that is no base64', line(DRAWN).replace('iVBOR', '!!!!!')],
    ['an empty image', line(Buffer.alloc(0))],
  ])('reads a rollout with %s', async ([, before], { codex }) => {
    await leaveRollout(codex, before + line(DRAWN));
    expect(await recover(codex, ID)).toMatchObject({ png: DRAWN });
  });

  test('reads a rollout whose last line has no end', async ({ codex }) => {
    await leaveRollout(codex, line(DRAWN).trimEnd());
    expect(await recover(codex, ID)).toMatchObject({ png: DRAWN });
  });

  test('does not return what another tool of the agent returned', async ({ codex }) => {
    const steps = turn(addToRollout('output', COPIED), { do: 'exit', code: 1 });
    const { threadId = '' } = await failure(codex.generate(steps));
    expect(await failure(recover(codex, threadId))).toMatchObject({ code: 'NO_IMAGE' });
  });
});

describe('a compressed rollout', () => {
  const lines = Buffer.from(`{"type":"session_meta"}\n${line(DRAWN)}`);
  const found = { png: DRAWN, source: 'rollout', verified: true };

  test.for(['sessions/2026/03/09', 'archived_sessions'])(
    'is read as Codex writes it: %s',
    async (place, { codex }) => {
      const compressed = new URL('../fixtures/rollout.jsonl.zst', import.meta.url);
      await leaveCompressed(codex, await readFile(compressed), place);
      expect(await recover(codex, ID)).toMatchObject({
        width: 7,
        height: 5,
        source: 'rollout',
        verified: true,
        revisedPrompt: 'a red fox',
      });
    },
  );

  test.for<[what: string, stream: Buffer]>([
    ['one frame', frame(lines)],
    ['a frame for each byte', Buffer.concat([...lines].map((byte) => frame(Buffer.of(byte))))],
    ['skippable frames', Buffer.concat([skippable(lines), frame(lines), skippable(lines)])],
    ['the largest window', frame(lines, { window: WINDOW.largest })],
    ['a frame without an end', frame(lines, { isWhole: false })],
    ['something else behind it', Buffer.concat([frame(lines), Buffer.from('{}\n')])],
    ['a cut frame behind it', Buffer.concat([frame(lines), frame(lines).subarray(0, 50)])],
    ['a bomb behind it', Buffer.concat([frame(lines), bomb('x', 2 ** 31)])],
  ])('is read with %s', async ([, stream], { codex }) => {
    await leaveCompressed(codex, stream);
    expect(await recover(codex, ID)).toMatchObject(found);
  });

  test('verifies what the store holds', async ({ codex }) => {
    await leaveStored(codex, DRAWN);
    await leaveCompressed(codex, frame(lines));
    expect(await recover(codex, ID)).toMatchObject({ ...found, source: 'store' });
  });

  test('is not read where there is an uncompressed one', async ({ codex }) => {
    await leaveCompressed(codex, frame(Buffer.from(line(STORED))));
    await leaveRollout(codex, line(DRAWN));
    expect(await recover(codex, ID)).toMatchObject(found);
  });

  test('is ignored where the thread has an uncompressed rollout elsewhere', async ({ codex }) => {
    await leaveCompressed(codex, frame(lines), 'archived_sessions');
    await leaveRollout(codex, line(DRAWN));
    expect(await failure(recover(codex, ID))).toMatchObject({ code: 'NO_IMAGE' });
  });

  test.for<[what: string, stream: Buffer]>([
    ['an empty file', Buffer.alloc(0)],
    ['what is not compressed', lines],
    ['a frame that is cut', frame(lines).subarray(0, -30)],
    ['a larger window than is read', frame(lines, { window: WINDOW.larger })],
  ])('has no image: %s', async ([, stream], { codex }) => {
    await leaveCompressed(codex, stream);
    expect(await failure(recover(codex, ID))).toMatchObject({ code: 'NO_IMAGE', threadId: ID });
  });

  test('is given up where it expands to gigabytes', async ({ codex }) => {
    await leaveCompressed(
      codex,
      Buffer.concat([bomb('x', 2 ** 32), frame(Buffer.from('\n')), frame(lines)]),
    );
    // A line of that length counts as an image.
    expect(await failure(recover(codex, ID))).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  });

  test('is limited by maxImageBytes', async ({ codex }) => {
    await leaveCompressed(codex, frame(lines));
    const recoverUpTo = (maxImageBytes: number) => recover(codex, ID, { maxImageBytes });
    expect(await recoverUpTo(DRAWN.length)).toMatchObject(found);
    const error = await failure(recoverUpTo(DRAWN.length - 1));
    expect(error).toMatchObject({ code: 'IMAGE_TOO_LARGE', threadId: ID });
  });
});

describe('an image in the rollout', () => {
  const wrap = (base64: string, width: number, end: string): string =>
    base64.replaceAll(new RegExp(`.{${width}}`, 'g'), `$&${end}`);
  // Its length is no multiple of three, so that the base64 is padded.
  const PADDED = Buffer.concat([DRAWN, Buffer.alloc(4 - (DRAWN.length % 3))]);
  const WRITTEN: [how: string, write: (base64: string) => string][] = [
    ['as a data URL', (base64) => `data:image/png;base64,${base64}`],
    ['wrapped', (base64) => wrap(base64, 76, '\n')],
    ['wrapped with CRLF', (base64) => `${wrap(base64, 64, '\r\n')}\r\n`],
    ['without padding', (base64) => base64.replace(/=+$/, '')],
    ['as a wrapped data URL', (base64) => `data:image/png;base64,\n${wrap(base64, 76, '\n')}`],
  ];

  test.for(WRITTEN)('is recovered %s', async ([, write], { codex }) => {
    await leaveRollout(codex, line(PADDED, write));
    expect(await recover(codex, ID)).toMatchObject({ png: PADDED, source: 'rollout' });
  });

  test.for(WRITTEN)("of the backend's hosted tool is taken %s", async ([, write], { codex }) => {
    const base64 = write(PADDED.toString('base64'));
    const image = await codex.generateDetailed(turn({ do: 'addToRollout', form: 'call', base64 }));
    expect(image).toMatchObject({ png: PADDED, source: 'rollout', verified: true });
  });

  test.for<[what: string, bytes: Buffer, named: RegExp]>([
    ['a JPEG', Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex'), /JPEG/],
    ['a WebP', Buffer.from('RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0', 'latin1'), /WebP/],
    ['half a PNG', DRAWN.subarray(0, 50), /ends too early/],
    ['a text', Buffer.from('I am sorry, I cannot draw that.\n'), /text/],
  ])('that is %s is refused, and the error names it', async ([, bytes, named], { codex }) => {
    const steps = turn(addToRollout('call', bytes));
    const error = await failure(codex.generate(steps));
    await leaveRollout(codex, line(bytes));
    for (const refused of [error, await failure(recover(codex, ID))]) {
      expect(refused).toMatchObject({ code: 'INVALID_IMAGE', status: 502 });
      expect(refused.message).toMatch(named);
    }
  });

  test('that is no base64 is refused, and the error names it', async ({ codex }) => {
    await leaveRollout(
      codex,
      line(DRAWN, () => 'https://example.com/a.png'),
    );
    const error = await failure(recover(codex, ID));
    expect(error).toMatchObject({ code: 'INVALID_IMAGE' });
    expect(error.message).toMatch(/plain text/);
  });

  test('that is too large is reported before one that is invalid', async ({ codex }) => {
    await leaveRollout(
      codex,
      line(Buffer.from('GIF89a')) + line(DRAWN) + line(Buffer.from('GIF89a')),
    );
    const error = await failure(recover(codex, ID, { maxImageBytes: DRAWN.length - 1 }));
    expect(error).toMatchObject({ code: 'IMAGE_TOO_LARGE' });
  });
});

describe('the image of a call that was stopped', () => {
  test('is recovered after an abort', async ({ codex }) => {
    const controller = new AbortController();
    const { events, onProgress } = listener();
    const steps = turn(addToRollout('item', DRAWN), RUNNING, HANG);
    const call = codex.generate(steps, { signal: controller.signal }, onProgress);
    await codex.reached('running');
    await expect.poll(() => events.at(-1)?.threadId, POLLING).toBeDefined();
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    expect(await recover(codex, events.at(-1)?.threadId ?? '')).toMatchObject({ png: DRAWN });
  });

  test("is recovered after an abort with completion 'exit'", async ({ codex }) => {
    const controller = new AbortController();
    const steps = turn(save('store', STORED), RUNNING, HANG);
    const call = codex.generate(steps, { signal: controller.signal, completion: 'exit' });
    await codex.reached('running');
    controller.abort('enough');
    await expect(call).rejects.toBe('enough');
    const { threadId = '' } = await codex.turn();
    expect(await recover(codex, threadId)).toMatchObject({ png: STORED });
  });

  test('is recovered after a timeout', async ({ codex }) => {
    const steps = turn(addToRollout('item', DRAWN), RUNNING, HANG);
    const error = await failure(codex.generate(steps, { timeoutMs: TIMEOUT_MS }));
    expect(error).toMatchObject({ code: 'TIMEOUT' });
    expect(codex.hasReached('running')).toBe(true);
    expect(await recover(codex, error.threadId ?? '')).toMatchObject({ png: DRAWN });
  });

  test('is recovered after the host process was killed', async ({ codex }) => {
    await codex.play(turn(addToRollout('end', DRAWN), RUNNING, HANG));
    const host = new HostProcess(codex.options());
    onTestFinished(() => host.kill());
    await codex.reached('running');
    await host.die('SIGKILL');
    await expect.poll(() => codex.survivors(), POLLING).toEqual([]);
    const { threadId = '', cwd } = await codex.turn();
    // It is removed when the next host process starts.
    await rm(path.dirname(cwd), { recursive: true, maxRetries: 3 });

    expect(await recover(codex, threadId)).toMatchObject({ png: DRAWN, source: 'rollout' });
  });
});

describe('a timeout', () => {
  // The image counts only once it is in the rollout, and the store shows no change then.
  const late: Partial<GenerateOptions> = {
    sandbox: 'danger-full-access',
    requireVerified: true,
    timeoutMs: TIMEOUT_MS,
  };
  const steps = turn(
    save('store', STORED),
    { do: 'sleep', ms: 500 },
    addToRollout('item', STORED),
    RUNNING,
    HANG,
  );

  test('returns an image that is complete', async ({ codex }) => {
    const image = await codex.generateDetailed(steps, late);
    expect(codex.hasReached('running')).toBe(true);
    expect(image).toMatchObject({ png: STORED, source: 'store', verified: true });
  });

  test("returns no image with completion 'exit'", async ({ codex }) => {
    const call = codex.generate(steps, { ...late, completion: 'exit' });
    expect(await failure(call)).toMatchObject({ code: 'TIMEOUT', status: 504 });
    expect(codex.hasReached('running')).toBe(true);
  });

  test('returns no image that still grows', async ({ codex }) => {
    const incomplete = turn(save('store', STORED.subarray(0, -12)), RUNNING, HANG);
    const call = codex.generate(incomplete, { timeoutMs: TIMEOUT_MS });
    expect(await failure(call)).toMatchObject({ code: 'TIMEOUT', status: 504 });
    expect(codex.hasReached('running')).toBe(true);
  });
});

describe('recoverCodexImage without an image', () => {
  test.for<[what: string, prepare: (codex: StubCodex) => Promise<unknown>]>([
    ['no home', (codex) => rm(codex.home, { recursive: true })],
    ['an empty home', async () => {}],
    ['an empty rollout', (codex) => leaveRollout(codex, '')],
    ['a rollout without an image', (codex) => leaveRollout(codex, '{"type":"session_meta"}\n')],
    [
      'a directory instead of the rollout',
      (codex) =>
        mkdir(path.join(codex.home, `sessions/2026/03/09/rollout-x-${ID}.jsonl`), {
          recursive: true,
        }),
    ],
    [
      'files instead of the directories',
      (codex) => writeFile(path.join(codex.home, 'sessions'), ''),
    ],
  ])('fails with NO_IMAGE: %s', async ([, prepare], { codex }) => {
    await prepare(codex);
    const error = await failure(recover(codex, ID));
    expect(error).toMatchObject({ code: 'NO_IMAGE', status: 502, threadId: ID });
    expect(error.message).not.toContain(codex.home);
  });

  test('names what the store has instead', async ({ codex }) => {
    await leaveStored(codex, Buffer.from('<!doctype html><html></html>'));
    const error = await failure(recover(codex, ID));
    expect(error).toMatchObject({ code: 'INVALID_IMAGE', threadId: ID });
    expect(error.message).toMatch(/HTML/);
  });

  test('refuses an image in the store that is larger than maxImageBytes', async ({ codex }) => {
    await leaveStored(codex, STORED);
    const recoverUpTo = (maxImageBytes: number) => recover(codex, ID, { maxImageBytes });
    expect((await recoverUpTo(STORED.length)).png).toEqual(STORED);
    const error = await failure(recoverUpTo(STORED.length - 1));
    expect(error).toMatchObject({ code: 'IMAGE_TOO_LARGE', status: 413, threadId: ID });
  });

  test('refuses an image in the rollout that is larger than maxImageBytes', async ({ codex }) => {
    await leaveRollout(codex, line(DRAWN));
    const recoverUpTo = (maxImageBytes: number) => recover(codex, ID, { maxImageBytes });
    expect((await recoverUpTo(DRAWN.length)).png).toEqual(DRAWN);
    await failure(recoverUpTo(DRAWN.length - 1));
  });
});

describe('the home of recoverCodexImage', () => {
  test('is codexHome before CODEX_HOME', async ({ codex }) => {
    await leaveRollout(codex, line(DRAWN));
    const env = { ...codex.env, CODEX_HOME: codex.scratch };
    expect((await recover(codex, ID, { env, codexHome: codex.home })).png).toEqual(DRAWN);
    expect(await failure(recover(codex, ID, { env }))).toMatchObject({ code: 'NO_IMAGE' });
  });

  test('is ~/.codex where no home is named', async ({ codex }) => {
    const { CODEX_HOME: _, ...env } = codex.env;
    await leaveRollout(codex, line(DRAWN), '../user/.codex/sessions/2026/03/09');
    expect((await recover(codex, ID, { env })).png).toEqual(DRAWN);
  });
});

describe('an invalid thread id', () => {
  const TRICKS = [
    '',
    ' ',
    '.',
    '..',
    '../planted',
    '../../planted',
    '/etc/passwd',
    'planted',
    `../${ID}`,
    `${ID}/`,
    `${ID}/../planted`,
    `${ID}\n`,
    ` ${ID}`,
    `${ID}\0`,
    `${ID}*`,
    ID.slice(1),
    ID.replaceAll('-', ''),
    ID.replaceAll('-', '/'),
    ID.replace('0199', '../.'),
    ID.replace('0', '０'),
    `{${ID}}`,
    `urn:uuid:${ID}`,
  ];

  test.for(TRICKS.map((id) => [JSON.stringify(id), id] as const))(
    'reads nothing: %s',
    async ([, id], { codex }) => {
      // Puts an image where such an id might lead.
      for (const place of [
        'planted',
        'generated_images/planted',
        `generated_images/${ID}/planted`,
      ]) {
        const directory = path.join(codex.home, place);
        await mkdir(directory, { recursive: true });
        await writeFile(path.join(directory, 'ig_1.png'), STORED);
      }
      await leaveStored(codex, STORED);
      await leaveRollout(codex, line(DRAWN));
      const error = await failure(recover(codex, id));
      expect(error).toBeInstanceOf(TypeError);
      expect(error).toMatchObject({ code: 'INVALID_OPTIONS', status: 400, retryable: false });
      expect(error.message).toContain('threadId');
    },
  );
});
