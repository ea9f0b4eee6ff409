// Whatever Codex prints, its events are understood and the image is found. `src/text/tail.rs` has
// secrets across the edge of a read, and `npm run bench` the event loop during a flood.

import { describe, expect } from 'vitest';

import { generateInOwnProcess } from '../support/process/own-process.js';
import { PICTURE, png } from '../support/image/small-png.js';
import { failure, listener } from '../support/call/outcome.js';
import {
  HANG,
  print,
  save,
  THREAD,
  turn,
  TURN_COMPLETED,
  TURN_STARTED,
  turnFailed,
} from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

const MEGABYTE = 2 ** 20;
const GIGABYTE = 2 ** 30;
/** Long enough for a flood on a busy machine. */
const timeoutMs = 50_000;

describe('unusual output', () => {
  const event = JSON.stringify({
    type: 'thread.started',
    thread_id: '0199d2c4-aaaa-7000-8000-0123456789ab',
  });
  const mine = { thread: '0199d2c4-aaaa-7000-8000-0123456789ab' };

  test.for<[what: string, data: string | Uint8Array]>([
    ['invalid UTF-8', Buffer.concat([Buffer.from('\xff\xfe\x80\n', 'latin1'), lines(event)])],
    ['NUL', `\0\0\nbetween\0words\n${event}\n`],
    ['lone CR', `50 %\r100 %\n\r\n\r${event}\n`],
    ['CRLF', `${event}\r\n`],
    ['BOM', `\ufeff${event}\n`],
    ['blank lines', `\n\n  \n${event}\n\n`],
    ['banners', `OpenAI Codex\n--------\nReading prompt from stdin...\n${event}\n`],
    ['cut JSON', `{"type":"turn.sta\n${event}\n{"type":`],
    ['JSON that is no event', `null\n[]\n"text"\n5\n{}\n{"type":5}\n${event}\n`],
    ['unknown types', `{"type":"turn.napped","for":"a while"}\n${event}\n`],
  ])('does not hide an image: %s', async ([, data], { codex }) => {
    const steps = [print('stdout', data), save('store', PICTURE, mine), HANG];
    expect(await codex.generate(steps)).toEqual(PICTURE);
  });

  test('does not hide a last event without a newline', async ({ codex }) => {
    const image = await codex.generateDetailed([
      print('stdout', event),
      save('store', PICTURE, mine),
    ]);
    expect(image).toMatchObject({ png: PICTURE, source: 'store', threadId: mine.thread });
  });

  test('does not hide an image: errors that Codex survives', async ({ codex }) => {
    const trouble = { id: 'i', type: 'error', message: 'unknown model' };
    const steps = turn(
      {
        do: 'emit',
        event: { type: 'error', message: 'Reconnecting... 2/5 (stream disconnected)' },
      },
      { do: 'emit', event: { type: 'item.completed', item: trouble } },
      print('stderr', 'ERROR codex_core: websocket closed\n'),
      save('workspace', PICTURE),
    );
    expect(await codex.generate(steps)).toEqual(PICTURE);
  });

  function lines(text: string): Buffer {
    return Buffer.from(`${text}\n`);
  }
});

test('an event is understood when it is split at any byte', async ({ codex }) => {
  const text = 'Лиса 🦊 and "more" \\ e\u0301';
  const event = Buffer.from(`${spoken(text)}\n`);
  const offsets = Array.from({ length: event.length - 1 }, (_, n) => n + 1);
  const { events, onProgress } = listener();
  const steps = offsets.flatMap((at) => [
    print('stdout', event.subarray(0, at), 1),
    print('stdout', event.subarray(at), 1),
  ]);
  await codex.generate(turn(...steps, save('workspace', PICTURE)), {}, onProgress);
  const said = events.filter(({ phase }) => phase === 'message').map(({ message }) => message);
  expect(said).toEqual(offsets.map(() => text));
});

describe('repeated thread.started', () => {
  const ANOTHER = '0199d2c4-bbbb-7000-8000-0123456789ab';
  const again = JSON.stringify({ type: 'thread.started', thread_id: ANOTHER });

  test('does not change the thread, and is reported once', async ({ codex }) => {
    const { events, onProgress } = listener();
    const elsewhere = save('store', png({ seed: 9 }), { thread: ANOTHER });
    const steps = [
      ...turn(print('stdout', `${again}\n`.repeat(100)), elsewhere),
      { do: 'reach', mark: 'told' },
    ];
    const image = codex.generateDetailed(
      [...(steps as Step[]), save('store', PICTURE), HANG],
      {},
      onProgress,
    );
    expect(await image).toMatchObject({ png: PICTURE, source: 'store' });
    const threads = new Set(events.flatMap(({ threadId }) => threadId ?? []));
    expect(threads).toEqual(new Set([(await codex.turn()).threadId]));
    expect(events.filter(({ phase }) => phase === 'started')).toHaveLength(1);
  });

  test('costs no memory', async ({ codex }) => {
    const flood: Step = { do: 'flood', to: 'stdout', line: again, bytes: 64 * MEGABYTE };
    await codex.play(turn(flood, save('workspace', PICTURE)));
    const { image, peakGrowth } = await generateInOwnProcess(codex.options({ timeoutMs }));
    expect(image).toMatchObject({ source: 'workspace' });
    expect(peakGrowth).toBeLessThanOrEqual(8 * MEGABYTE);
  });
});

test('a line of 20 MB takes at most 8 MB and does not hide later events', async ({ codex }) => {
  const [head = '', tail = ''] = spoken('<>').split('<>');
  const filler = Buffer.alloc(MEGABYTE, 'x').toString('base64');
  await codex.play([
    print('stdout', head),
    { do: 'write', to: 'stdout', base64: filler, times: 20 },
    print('stdout', `${tail}\n`),
    THREAD,
    TURN_STARTED,
    save('store', PICTURE),
    TURN_COMPLETED,
  ]);
  const { image, peakGrowth } = await generateInOwnProcess(codex.options());
  const { threadId } = await codex.turn();
  expect(threadId).toBeDefined();
  expect(image).toMatchObject({ source: 'store', threadId });
  expect(peakGrowth).toBeLessThanOrEqual(8 * MEGABYTE);
});

test('a huge `turn.failed` is cut in detail', async ({ codex }) => {
  const message = `a new kind of failure ${'x'.repeat(900_000)}`;
  const error = await failure(codex.generate([THREAD, turnFailed(message)]));
  expect(error.detail).toContain('a new kind of failure');
  expect(error.detail?.length).toBeLessThanOrEqual(64 * 1024);
});

describe('one gigabyte', () => {
  /** Much less than what is printed, and more than an idle call takes. */
  const BOUNDED = 32 * MEGABYTE;

  test.for<[what: string, line: string]>([
    ['that are reported', spoken('lorem ipsum '.repeat(350))],
    ['that are not reported', printed('lorem ipsum '.repeat(700))],
  ])('of events %s takes bounded memory', async ([, line], { codex }) => {
    await codex.play(
      turn({ do: 'flood', to: 'stdout', line, bytes: GIGABYTE }, save('workspace', PICTURE)),
    );
    const { image, peakGrowth } = await generateInOwnProcess(codex.options({ timeoutMs }));
    expect(image).toMatchObject({ source: 'workspace' });
    expect(peakGrowth).toBeLessThanOrEqual(BOUNDED);
  });

  test('on stderr is drained, and its end is bounded', async ({ codex }) => {
    const flood: Step = { do: 'flood', to: 'stderr', line: 'noise '.repeat(20), bytes: GIGABYTE };
    await codex.play([flood, print('stderr', '\nthe last words\n'), { do: 'exit', code: 1 }]);
    const { error, peakGrowth } = await generateInOwnProcess(codex.options({ timeoutMs }));
    expect(error).toMatchObject({ code: 'CODEX_FAILED' });
    expect(error?.detail).toContain('the last words');
    expect(error?.detail?.length).toBeLessThanOrEqual(128 * 1024);
    expect(peakGrowth).toBeLessThanOrEqual(BOUNDED);
  });
});

function spoken(text: string): string {
  return completed({ type: 'agent_message', text });
}

function printed(output: string): string {
  return completed({ type: 'command_execution', aggregated_output: output, exit_code: 0 });
}

function completed(item: object): string {
  return JSON.stringify({ type: 'item.completed', item: { id: 'item_1', ...item } });
}
