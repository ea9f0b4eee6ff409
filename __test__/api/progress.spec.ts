// What `onProgress` is called with. `callback` has what the callback may do.

import { expect } from 'vitest';

import { type ProgressEvent } from '../../index.js';
import { PICTURE } from '../support/image/small-png.js';
import { failure, listener } from '../support/call/outcome.js';
import { HANG, item, save, say, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

const PHASES: Record<ProgressEvent['phase'], true> = {
  queued: true,
  preflight: true,
  starting: true,
  started: true,
  message: true,
  command: true,
  reconnecting: true,
  image: true,
  checking: true,
  stopping: true,
};

const COMMAND: Step = {
  do: 'emit',
  event: {
    type: 'item.started',
    item: { id: 'item_1', type: 'command_execution', command: 'cp a b', status: 'in_progress' },
  },
};
const RECONNECTING: Step = {
  do: 'emit',
  event: { type: 'error', message: 'Reconnecting... 2/5 (stream disconnected before completion)' },
};

test('onProgress is called with the phases in order', async ({ codex }) => {
  const { events, onProgress } = listener();
  // Events and files are noticed in different ways: without the gate, the image might be seen
  // before the earlier messages.
  const drawing: Step[] = [{ do: 'await', gate: 'seen' }, save('store', PICTURE), HANG];
  const steps = turn(say('I am drawing.'), RECONNECTING, COMMAND, ...drawing);
  await codex.generate(steps, {}, (message, event) => {
    onProgress(message, event);
    if (event.phase === 'command') void codex.open('seen');
  });

  const phases = events.map(({ phase }) => phase);
  for (const phase of phases) expect(PHASES).toHaveProperty(phase);
  const inOrder = phases.filter((phase, at) => phases.indexOf(phase) === at);
  expect(inOrder.filter((phase) => phase !== 'queued' && phase !== 'checking')).toEqual([
    'preflight',
    'starting',
    'started',
    'message',
    'reconnecting',
    'command',
    'image',
    'stopping',
  ]);
  expect(inOrder.indexOf('checking')).toBeGreaterThan(inOrder.indexOf('image'));
});

test('onProgress is told of the image while Codex goes on', async ({ codex }) => {
  const { events, onProgress } = listener();
  const steps = turn(save('store', PICTURE), { do: 'await', gate: 'end' });
  const call = codex.generate(steps, { completion: 'exit' }, (message, event) => {
    onProgress(message, event);
    if (event.phase === 'image') void codex.open('end');
  });
  expect(await call).toEqual(PICTURE);
  expect(events.map(({ phase }) => phase)).toContain('checking');
});

test('onProgress gets all messages of the agent, in order', async ({ codex }) => {
  const { events, onProgress } = listener();
  const steps = turn({ do: 'messages', count: 3000 }, save('workspace', PICTURE));
  await codex.generate(steps, {}, onProgress);
  const said = events.filter(({ phase }) => phase === 'message').map(({ message }) => message);
  expect(said).toEqual(Array.from({ length: 3000 }, (_, n) => `message ${n + 1}`));
});

test('every event has all its members', async ({ codex }) => {
  const { events, messages, onProgress } = listener();
  await codex.generate(turn(say('I am drawing.'), save('workspace', PICTURE)), {}, onProgress);
  const { threadId } = await codex.turn();
  expect(messages).toEqual(events.map(({ message }) => message));

  let before = 0;
  for (const { elapsedMs } of events) {
    expect(elapsedMs).toBeGreaterThanOrEqual(before);
    before = elapsedMs;
  }

  const started = events.findIndex(({ phase }) => phase === 'started');
  for (const event of events.slice(0, started)) expect(event).not.toHaveProperty('threadId');
  for (const event of events.slice(started)) expect(event).toMatchObject({ threadId });
});

test('every message fits in one row', async ({ codex }) => {
  const { messages, onProgress } = listener();
  const steps = turn(
    say('first line\nsecond line\r\nthird\u2028fourth\tfifth'),
    say('\x1b[31mred\x1b[0m \x07bell \0nul'),
    say(`long ${'word '.repeat(1000)}`),
    say('🦊'.repeat(500)),
    say('e\u0301'.repeat(500)),
    say('   '),
    say(''),
    item({ type: 'error', message: `trouble\n${'x'.repeat(1000)}` }),
    save('workspace', PICTURE),
  );
  await codex.generate(steps, {}, onProgress);
  for (const message of messages) {
    expect(message).toBe(message.trim());
    expect(message).not.toBe('');
    expect([...message].length).toBeLessThanOrEqual(200);
    // oxlint-disable-next-line no-control-regex
    expect(message).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/);
    expect(message).toBe(Buffer.from(message).toString());
  }
  expect(messages.join('\n')).toContain('first line second line third fourth fifth');
});

test('no message misleads a terminal or a reader', async ({ codex }) => {
  const { messages, onProgress } = listener();
  const disguises = [
    '\u202eright to left\u202c \u2066isolated\u2069 \u200e\u200f\u061c',
    'zero\u200bwidth \ufeffmark soft\u00adhyphen',
    'tags \u{e0041}\u{e0042}\u{e007f} end',
    '\x1b[31mred\x1b[0m \x1b[2K \x1b]0;title\x07 \x1b]8;;x\x1b\\link \x1bP1$r\x1b\\ \x1b(B \x1b lone',
    '\x9b31meight\x9b0m \x9d0;title\x9c \x90dcs\x9c bits\x85next',
  ];
  const family = '👨‍👩‍👧‍👦 ❤️‍🔥 🇩🇪 می‌خواهم';
  const trouble = `Reconnecting... 1/5 (${disguises.join(' ')})`;
  const steps = turn(...disguises.map(say), say(family), {
    do: 'emit',
    event: { type: 'error', message: trouble },
  });
  await failure(codex.generate(steps, {}, onProgress));
  const said = messages.join('\n');
  // Joiners within emoji are invisible, and kept.
  expect(said.replaceAll(/[\u200c\u200d]/g, '')).not.toMatch(/[\p{Cf}\p{Zl}\p{Zp}]/u);
  for (const message of messages) expect(message).not.toMatch(/\p{Cc}/u);
  expect(messages).toEqual(
    expect.arrayContaining([
      'right to left isolated',
      'zerowidth mark softhyphen',
      'tags end',
      'red link lone',
      'eight bits next',
      family,
    ]),
  );
});

test('no message repeats a secret', async ({ codex }) => {
  const { messages, onProgress } = listener();
  const secret = 'sk-proj-Ab12Cd34Ef56Gh78Ij90';
  const steps = turn(say(`Using ${secret}`), item({ type: 'error', message: `bad key ${secret}` }));
  await failure(codex.generate(steps, {}, onProgress));
  expect(messages.join('\n')).not.toContain('Ab12Cd34Ef56');
});

test('no message repeats the prompt', async ({ codex }) => {
  const { messages, onProgress } = listener();
  const prompt = 'a surprise for somebody';
  await codex.generate(turn(save('workspace', PICTURE)), { prompt }, onProgress);
  expect(messages.join('\n')).not.toContain(prompt);
});
