// Errors that leave their realm or their thread: `isCodexImageError` and `toJSON`.

import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { createContext, runInContext } from 'node:vm';

import { describe, expect, test } from 'vitest';

import {
  type CodexImageError,
  generateCodexImage,
  isCodexImageError,
  recoverCodexImage,
} from '../../index.js';
import { loadError } from '../../loader/load-error.js';
import { NOWHERE } from '../support/platform.js';
import { failure } from '../support/call/outcome.js';

const THREAD = '0199d2c4-aaaa-7000-8000-0123456789ab';

/** A failure without a process. Its members are what `detail` and the others would be as well. */
async function noImage(): Promise<CodexImageError> {
  const error = await failure(recoverCodexImage({ threadId: THREAD, codexHome: NOWHERE }));
  return Object.assign(error, { detail: 'stderr: nothing', resetsAt: new Date(1_800_000_000_000) });
}

/** Returns what arrives on the other side of a message port. */
function posted(value: unknown): unknown {
  const { port1, port2 } = new MessageChannel();
  try {
    port1.postMessage(value);
    return (receiveMessageOnPort(port2) as { message: unknown }).message;
  } finally {
    port1.close();
  }
}

describe('toJSON', () => {
  test('returns every member but the stack', async () => {
    const error = await noImage();
    expect(error.toJSON()).toEqual({
      name: 'CodexImageError',
      message: error.message,
      code: 'NO_IMAGE',
      status: 502,
      retryable: true,
      threadId: THREAD,
      detail: 'stderr: nothing',
      resetsAt: new Date(1_800_000_000_000),
    });
  });

  test('has the option of a usage error', async () => {
    const error = await failure(generateCodexImage({ prompt: '' }));
    expect(error.toJSON()).toMatchObject({ code: 'INVALID_OPTIONS', option: 'prompt' });
  });

  test('gives JSON the name and the message, which JSON leaves out of other errors', async () => {
    const error = await noImage();
    expect(JSON.parse(JSON.stringify({ error }))).toEqual({
      error: { ...error.toJSON(), resetsAt: '2027-01-15T08:00:00.000Z' },
    });
  });

  test('survives a message port, where an error keeps only its message', async () => {
    const error = await noImage();
    expect(posted(error.toJSON())).toEqual(error.toJSON());
    const clone = posted(error);
    expect(clone).toBeInstanceOf(Error);
    expect(clone).toMatchObject({ name: 'Error', message: error.message });
    expect(Object.keys(clone as Error)).toEqual([]);
  });

  test('of an error that loading the package throws has its reason as well', () => {
    const refusal = new Error('ENOENT');
    const error = loadError({ problem: 'It is not installed.', fix: 'Install it.' }, refusal);
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'CodexImageError',
      message: 'It is not installed. Install it.',
      code: 'CODEX_IMAGE_ADDON_UNAVAILABLE',
      status: 424,
      retryable: false,
      problem: 'It is not installed.',
      fix: 'Install it.',
      detail: 'ENOENT',
    });
    expect(Object.keys(error)).not.toContain('toJSON');
  });

  test('is not listed among the members', async () => {
    const error = await noImage();
    expect(Object.keys(error)).not.toContain('toJSON');
  });
});

describe('isCodexImageError', () => {
  test('recognises an error and a usage error', async () => {
    expect(isCodexImageError(await noImage())).toBe(true);
    expect(isCodexImageError(await failure(generateCodexImage({ prompt: '' })))).toBe(true);
  });

  test('recognises an error in another realm, whose Error has not made it', async () => {
    const error = await noImage();
    const context = createContext({ error, isCodexImageError });
    const told = runInContext('[isCodexImageError(error), error instanceof Error]', context);
    expect([...told]).toEqual([true, false]);
  });

  test('recognises the data of an error behind a message port and in JSON', async () => {
    const error = await noImage();
    expect(isCodexImageError(posted(error.toJSON()))).toBe(true);
    expect(isCodexImageError(JSON.parse(JSON.stringify(error)))).toBe(true);
  });

  test('recognises the error of another thread that could not load the addon, and its data', () => {
    const error = loadError({ problem: 'It is not installed.', fix: 'Install it.' });
    expect(isCodexImageError(error)).toBe(true);
    expect(isCodexImageError(posted(error.toJSON()))).toBe(true);
  });

  test('is false for the reason of an abort', async () => {
    const call = generateCodexImage({ prompt: 'a red fox', signal: AbortSignal.abort() });
    const reason: unknown = await call.catch((error: unknown) => error);
    expect(reason).toMatchObject({ name: 'AbortError' });
    expect(isCodexImageError(reason)).toBe(false);
  });

  const boom = () => {
    throw new Error('boom');
  };
  test.for<[what: string, value: unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['a string', 'CodexImageError'],
    ['a number', 5],
    ['a symbol', Symbol('CodexImageError')],
    ['another error', new Error('NO_IMAGE')],
    ["another library's error with the same code", Object.assign(new Error(), { code: 'TIMEOUT' })],
    ['an unknown code', { name: 'CodexImageError', code: 'NO_SUCH_CODE' }],
    ['a code that is no string', { name: 'CodexImageError', code: 5 }],
    ['a code of Object.prototype', { name: 'CodexImageError', code: 'constructor' }],
    ['a getter that throws', Object.defineProperty({}, 'name', { get: boom })],
    ['a Proxy that throws', new Proxy({}, { get: boom, getPrototypeOf: boom })],
  ])('is false for %s', ([, value]) => {
    expect(isCodexImageError(value)).toBe(false);
  });
});
