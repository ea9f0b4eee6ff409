// Codex alone takes minutes to give up a backend that it cannot reach. `maxReconnects` ends that.

import { describe, expect } from 'vitest';

import { type GenerateOptions } from '../../index.js';
import { PICTURE } from '../support/image/small-png.js';
import { failure, listener } from '../support/call/outcome.js';
import {
  HANG,
  item,
  TERMINATION_SIGNALS,
  print,
  reconnecting,
  save,
  say,
  THREAD,
  turn,
  TURN_STARTED,
} from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

const COMMAND: Step = {
  do: 'emit',
  event: {
    type: 'item.started',
    item: { id: 'item_1', type: 'command_execution', command: 'cp a b', status: 'in_progress' },
  },
};

function reconnects(count: number, why?: string): Step[] {
  return Array.from({ length: count }, (_, n) => reconnecting(n + 1, why));
}

/** A turn that only reconnects, and would go on for longer than a test. */
function storm(count: number, why?: string): Step[] {
  return [THREAD, TURN_STARTED, ...reconnects(count, why), HANG];
}

const BACKEND_ERROR = { code: 'BACKEND_ERROR', status: 502, retryable: true };

describe('as many reconnects in a row as allowed', () => {
  test.for<[maxReconnects: GenerateOptions['maxReconnects'], count: number]>([
    [0, 0],
    [1, 1],
    [3, 3],
    [20, 20],
    [undefined, 6],
    [null, 6],
  ])('do not end the call, maxReconnects %s: %i', async ([maxReconnects, count], { codex }) => {
    const steps = turn(...reconnects(count), save('store', PICTURE));
    expect(await codex.generate(steps, { maxReconnects, completion: 'exit' })).toEqual(PICTURE);
  });

  test('leave the cause of a later end unchanged', async ({ codex }) => {
    const steps = [THREAD, ...reconnects(3), { do: 'exit', code: 1 } as const];
    const error = await failure(codex.generate(steps, { maxReconnects: 3 }));
    expect(error).toMatchObject({ code: 'CODEX_FAILED', exitCode: 1 });
  });
});

describe('one reconnect too many', () => {
  test.for<[maxReconnects: GenerateOptions['maxReconnects'], count: number]>([
    [0, 1],
    [1, 2],
    [3, 4],
    [undefined, 7],
    [null, 7],
  ])('ends the call, maxReconnects %s: %i', async ([maxReconnects, count], { codex }) => {
    const error = await failure(codex.generate(storm(count), { maxReconnects }));
    expect(error).toMatchObject(BACKEND_ERROR);
    expect(error.message).toMatch(/no connection/);
    expect(error.threadId).toBe((await codex.turn()).threadId);
    await codex.expectNothingLeft();
  });

  test.for(['image', 'exit'] as const)(
    "ends the call, completion '%s'",
    async (completion, { codex }) => {
      const call = codex.generate(storm(3), { maxReconnects: 2, completion });
      expect(await failure(call)).toMatchObject(BACKEND_ERROR);
    },
  );

  test('ends the call before a thread has started', async ({ codex }) => {
    const error = await failure(codex.generate([...reconnects(3), HANG], { maxReconnects: 2 }));
    expect(error).toMatchObject(BACKEND_ERROR);
    expect(error).not.toHaveProperty('threadId');
  });

  test('stops the whole process tree', async ({ codex }) => {
    const resisting: Step[] = [
      { do: 'ignore', signals: TERMINATION_SIGNALS },
      { do: 'tool', ownSession: true, ignores: TERMINATION_SIGNALS },
    ];
    const steps = [THREAD, ...resisting, ...reconnects(3), HANG];
    const error = await failure(codex.generate(steps, { maxReconnects: 2, killGraceMs: 100 }));
    expect(error).toMatchObject(BACKEND_ERROR);
    await codex.expectNothingLeft();
  });

  test("leaves Codex's messages in detail", async ({ codex }) => {
    const why = 'error sending request for url (https://127.0.0.1:9/backend-api/codex/responses)';
    const { detail } = await failure(codex.generate(storm(3, why), { maxReconnects: 2 }));
    expect(detail).toContain('Reconnecting... 3/5');
    expect(detail).toContain('error sending request');
  });

  test('lets the call return an image that exists', async ({ codex }) => {
    const steps = [THREAD, save('store', PICTURE), ...reconnects(3), HANG];
    expect(await codex.generate(steps, { maxReconnects: 2 })).toEqual(PICTURE);
  });
});

describe('the cause of too many reconnects', () => {
  test.for<[why: string, expected: { code: string; status: number; retryable: boolean }]>([
    [
      'unexpected status 401 Unauthorized: Missing bearer or basic authentication in header, ' +
        'url: https://127.0.0.1:40529/backend-api/codex/responses',
      { code: 'NOT_SIGNED_IN', status: 401, retryable: false },
    ],
    [
      'unexpected status 503 Service Unavailable: Unknown error, url: https://127.0.0.1:9/x',
      BACKEND_ERROR,
    ],
    [
      'unexpected status 429 Too Many Requests: slow down, url: https://127.0.0.1:9/x',
      { code: 'RATE_LIMITED', status: 429, retryable: true },
    ],
    [
      'stream disconnected before completion: The usage limit has been reached',
      { code: 'USAGE_LIMIT', status: 429, retryable: false },
    ],
    [
      'stream disconnected before completion: Your request was rejected by the safety system.',
      { code: 'SAFETY_REJECTED', status: 422, retryable: false },
    ],
    [
      'stream disconnected before completion: error sending request for url (http://127.0.0.1:9/x)',
      BACKEND_ERROR,
    ],
    ['timeout waiting for child process to exit', BACKEND_ERROR],
    ['', BACKEND_ERROR],
  ])('comes from its text: %s', async ([why, expected], { codex }) => {
    const error = await failure(codex.generate(storm(3, why), { maxReconnects: 2 }));
    expect(error).toMatchObject(expected);
    expect(error.message).not.toContain('127.0.0.1');
  });

  test('comes from the last text where they differ', async ({ codex }) => {
    const steps = [
      THREAD,
      reconnecting(1, 'unexpected status 503 Service Unavailable: x'),
      reconnecting(2, 'unexpected status 401 Unauthorized: x'),
      HANG,
    ];
    const error = await failure(codex.generate(steps, { maxReconnects: 1 }));
    expect(error).toMatchObject({ code: 'NOT_SIGNED_IN' });
  });
});

describe('the count of reconnects', () => {
  test.for<[what: string, between: Step]>([
    ['a message', say('I am still here.')],
    ['a command', COMMAND],
  ])('begins anew after %s', async ([, between], { codex }) => {
    const steps = turn(
      ...reconnects(2),
      between,
      ...reconnects(2),
      between,
      ...reconnects(2),
      save('workspace', PICTURE),
    );
    expect(await codex.generate(steps, { maxReconnects: 2 })).toEqual(PICTURE);
  });

  test.for<[what: string, between: Step]>([
    ['other troubles', item({ type: 'error', message: 'Falling back from WebSockets to HTTPS' })],
    ['noise on stderr', print('stderr', 'ERROR codex_core: websocket closed\n')],
    ['what is no event', print('stdout', 'null\nReconnecting?\n')],
  ])('goes on after %s', async ([, between], { codex }) => {
    const steps = [THREAD, ...reconnects(2), between, ...reconnects(1), HANG];
    const error = await failure(codex.generate(steps, { maxReconnects: 2 }));
    expect(error).toMatchObject(BACKEND_ERROR);
  });

  test('ends the call if it exceeds the limit again after a message', async ({ codex }) => {
    const steps = [THREAD, ...reconnects(2), say('Hello.'), ...reconnects(3), HANG];
    const error = await failure(codex.generate(steps, { maxReconnects: 2 }));
    expect(error).toMatchObject(BACKEND_ERROR);
    expect(error.detail).toContain('Hello.');
  });

  test('ignores an agent that talks of reconnecting', async ({ codex }) => {
    const said = Array.from({ length: 9 }, (_, n) => say(`Reconnecting... ${n + 1}/5 (joke)`));
    const steps = turn(...said, save('workspace', PICTURE));
    expect(await codex.generate(steps, { maxReconnects: 0 })).toEqual(PICTURE);
  });
});

test('each reconnect is reported while it happens', async ({ codex }) => {
  const { events, onProgress } = listener();
  const steps = turn(...reconnects(3, 'stream disconnected'), save('workspace', PICTURE));
  await codex.generate(steps, {}, onProgress);
  const { threadId } = await codex.turn();
  const told = events.filter(({ phase }) => phase === 'reconnecting');
  expect(told).toMatchObject(
    [1, 2, 3].map((n) => ({ message: `Reconnecting... ${n}/5 (stream disconnected)`, threadId })),
  );
});

test('the last reconnect is reported before Codex is stopped', async ({ codex }) => {
  const { events, onProgress } = listener();
  await failure(codex.generate(storm(3), { maxReconnects: 2 }, onProgress));
  const phases = events.map(({ phase }) => phase);
  expect(phases.slice(-4)).toEqual(['reconnecting', 'reconnecting', 'reconnecting', 'stopping']);
});
