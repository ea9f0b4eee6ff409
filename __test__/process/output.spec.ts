// What Codex may print, and how: whatever it is, the events in it are understood and the picture is found.
//
// Found elsewhere: a secret across a chunk edge (`failures.spec.ts`, `no secret is repeated`, and at every byte in the tests of
// `src/text/tail.rs`). How the event loop fares during a flood is measured by `npm run bench`.

import { describe, expect } from 'vitest';

import { generateInOwnProcess } from '../support/own-process.js';
import { png } from '../support/png.js';
import {
  failure,
  listener,
  print,
  save,
  type Step,
  test,
  THREAD,
  turn,
  TURN_COMPLETED,
  TURN_STARTED,
  turnFailed,
} from '../support/stub.js';

const PICTURE = png();
const HANG: Step = { do: 'hang' };
const MEGABYTE = 2 ** 20;
const GIGABYTE = 2 ** 30;
/** Floods take their time on a busy machine. */
const timeoutMs = 50_000;

describe('harmless', () => {
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
  ])('%s', async ([, data], { codex }) => {
    const steps = [print('stdout', data), save('store', PICTURE, mine), HANG];
    expect(await codex.generate(steps)).toEqual(PICTURE);
  });

  test('no final newline', async ({ codex }) => {
    const image = await codex.generateDetailed([
      print('stdout', event),
      save('store', PICTURE, mine),
    ]);
    expect(image).toMatchObject({ png: PICTURE, source: 'store', threadId: mine.thread });
  });

  test('errors that Codex gets over', async ({ codex }) => {
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

test('an event split at every byte offset: the same result', async ({ codex }) => {
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

describe('thread.started, again and again', () => {
  const ANOTHER = '0199d2c4-bbbb-7000-8000-0123456789ab';
  const again = JSON.stringify({ type: 'thread.started', thread_id: ANOTHER });

  test('leads to no other thread, and is told once', async ({ codex }) => {
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
    await codex.order(turn(flood, save('workspace', PICTURE)));
    const { image, peakGrowth } = await generateInOwnProcess(codex.options({ timeoutMs }));
    expect(image).toMatchObject({ source: 'workspace' });
    expect(peakGrowth).toBeLessThanOrEqual(8 * MEGABYTE);
  });
});

test('one 20 MB line: memory +8 MB at most, later events still seen', async ({ codex }) => {
  const [head = '', tail = ''] = spoken('<>').split('<>');
  const filler = Buffer.alloc(MEGABYTE, 'x').toString('base64');
  await codex.order([
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

test('a huge `turn.failed` costs no more than what is shown of it', async ({ codex }) => {
  const message = `a new kind of failure ${'x'.repeat(900_000)}`;
  const error = await failure(codex.generate([THREAD, turnFailed(message)]));
  expect(error.detail).toContain('a new kind of failure');
  expect(error.detail?.length).toBeLessThanOrEqual(64 * 1024);
});

describe('1 GB', () => {
  /** Much less than what is printed, much more than what an idle run takes. */
  const BOUNDED = 32 * MEGABYTE;

  test.for<[what: string, line: string]>([
    ['that are told on', spoken('lorem ipsum '.repeat(350))],
    ['that are not', printed('lorem ipsum '.repeat(700))],
  ])('of events %s: bounded memory', async ([, line], { codex }) => {
    await codex.order(
      turn({ do: 'flood', to: 'stdout', line, bytes: GIGABYTE }, save('workspace', PICTURE)),
    );
    const { image, peakGrowth } = await generateInOwnProcess(codex.options({ timeoutMs }));
    expect(image).toMatchObject({ source: 'workspace' });
    expect(peakGrowth).toBeLessThanOrEqual(BOUNDED);
  });

  test('on stderr: drained, tail capped', async ({ codex }) => {
    const flood: Step = { do: 'flood', to: 'stderr', line: 'noise '.repeat(20), bytes: GIGABYTE };
    await codex.order([flood, print('stderr', '\nthe last words\n'), { do: 'exit', code: 1 }]);
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
