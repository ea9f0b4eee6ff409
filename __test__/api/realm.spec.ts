// What other code in the process may have done to the JavaScript realm: prototypes, globals,
// signals. The stack of an error or the abort may be lost, and nothing else.

import path from 'node:path';

import { describe, expect } from 'vitest';

import { inOwnRealm, type CallEnd } from '../support/process/own-realm.js';
import { NOWHERE } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { valuesOf } from '../support/call/arguments.js';
import { failure } from '../support/call/outcome.js';
import { HANG, RUNNING, save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';

const DRAWN = { resolved: PICTURE.toString('base64') };
const THREAD = '0199d2c4-aaaa-7000-8000-0123456789ab';

/** The options of all functions. */
const OPTIONS = [
  'prompt',
  'aspect',
  'codexPath',
  'codexHome',
  'env',
  'model',
  'sandbox',
  'networkAccess',
  'completion',
  'config',
  'disableFeatures',
  'timeoutMs',
  'killGraceMs',
  'maxImageBytes',
  'validation',
  'referenceImages',
  'transparent',
  'requireVerified',
  'lean',
  'maxReconnects',
  'signal',
  'threadId',
  'quota',
];

/** Not assigned: an enumerable property would reach the programs themselves. */
const POLLUTE = `
  const pollute = (prototype, name, value) =>
    defineProperty(prototype, name, { value, writable: true, configurable: true });
`;

describe('a polluted Object.prototype', () => {
  test('gives no option to any function', async ({ codex }) => {
    await codex.play(turn(save('workspace', PICTURE)));
    const program = `
      ${POLLUTE}
      const { generateCodexImage, checkCodex, recoverCodexImage, codexNeedsDangerFullAccessSandbox } = load();
      for (const name of ${JSON.stringify(OPTIONS)}) pollute(Object.prototype, name, Symbol(name));
      for (const name of ['OD_CODEX_SANDBOX', 'CODEX_BIN']) pollute(Object.prototype, name, 'danger-full-access');
      const codexHome = ${JSON.stringify(NOWHERE)};
      return [
        await told(() => generateCodexImage(options)),
        await told(() => generateCodexImage({})),
        await told(() => checkCodex({ env: { PATH: '' }, codexHome })),
        await told(() => recoverCodexImage({ threadId: '${THREAD}', codexHome })),
        codexNeedsDangerFullAccessSandbox('darwin', {}),
      ];`;
    expect(await inOwnRealm(program, codex.options())).toMatchObject([
      DRAWN,
      { rejected: { code: 'INVALID_OPTIONS', message: expect.stringContaining('`prompt`') } },
      { resolved: expect.objectContaining({ ready: expect.any(Boolean) }) },
      { rejected: { code: 'NO_IMAGE' } },
      false,
    ]);
  });

  test('neither chooses the program nor opens the sandbox', async ({ codex }) => {
    await codex.play(turn(save('workspace', PICTURE)));
    const { codexPath, sandbox: _, ...options } = codex.options();
    const env = { ...codex.env, CODEX_BIN: String(codexPath) };
    const program = `
      ${POLLUTE}
      const { generateCodexImage } = load();
      pollute(Object.prototype, 'codexPath', ${JSON.stringify(path.join(NOWHERE, 'codex'))});
      pollute(Object.prototype, 'sandbox', 'danger-full-access');
      pollute(Object.prototype, 'disableFeatures', ['plugins']);
      pollute(Object.prototype, 'config', { model: '"polluted"' });
      return [await told(() => generateCodexImage(options))];`;
    expect(await inOwnRealm(program, { ...options, env })).toEqual([DRAWN]);
    const { args } = await codex.turn();
    expect(args).not.toContain('danger-full-access');
    expect(args).not.toContain('model="polluted"');
    expect(valuesOf('--disable', args)).toEqual([]);
  });

  test('gives no option from another realm', async ({ codex }) => {
    await codex.play(turn(save('workspace', PICTURE)));
    const program = `
      const { generateCodexImage } = load();
      const theirs = require('node:vm').runInNewContext(
        'for (const name of names) Object.prototype[name] = null, Object.defineProperty(Object.prototype, name, { value: Symbol() });' +
        'JSON.parse(text)', { names: ${JSON.stringify(OPTIONS)}, text: stringify(options) });
      return [await told(() => generateCodexImage(theirs))];`;
    expect(await inOwnRealm(program, codex.options())).toEqual([DRAWN]);
  });

  test('gives no environment where process.env is gone', async ({ codex }) => {
    const program = `
      ${POLLUTE}
      const { checkCodex } = load();
      delete process.env;
      pollute(Object.prototype, 'env', { CODEX_BIN: ${JSON.stringify(SCRIPT_STUB)} });
      return [await told(() => checkCodex({ codexHome: ${JSON.stringify(NOWHERE)} }))];`;
    const [check] = await inOwnRealm<{ resolved: { codexPath?: string } }[]>(
      program,
      codex.options(),
    );
    expect(check?.resolved.codexPath).not.toBe(SCRIPT_STUB);
  });

  test('hides no option that the caller has', async ({ codex }) => {
    await codex.play(turn(save('workspace', PICTURE)));
    const program = `
      ${POLLUTE}
      const { generateCodexImage } = load();
      for (const name of ${JSON.stringify(OPTIONS)}) pollute(Object.prototype, name, Symbol(name));
      class Options { get prompt() { return options.prompt; } }
      for (const name of Object.keys(options)) {
        if (name !== 'prompt') Object.defineProperty(Options.prototype, name, { get: () => options[name] });
      }
      const defaults = Object.assign(Object.create(null), options);
      class Derived extends Options {}
      return [
        await told(() => generateCodexImage(new Derived())),
        await told(() => generateCodexImage(Object.create(options))),
        await told(() => generateCodexImage(Object.create(defaults))),
        await told(() => generateCodexImage(new Proxy(options, {}))),
      ];`;
    expect(await inOwnRealm(program, codex.options())).toEqual([DRAWN, DRAWN, DRAWN, DRAWN]);
  });
});

test('a polluted Array.prototype fills no holes', async ({ codex }) => {
  const program = `
    ${POLLUTE}
    const { generateCodexImage } = load();
    pollute(Array.prototype, 0, 'plugins');
    // oxlint-disable-next-line no-sparse-arrays
    return [await told(() => generateCodexImage({ ...options, disableFeatures: [,] }))];`;
  const refused = {
    code: 'INVALID_OPTIONS',
    message: expect.stringContaining('disableFeatures[0]'),
  };
  expect(await inOwnRealm(program, codex.options())).toMatchObject([{ rejected: refused }]);
});

describe('a damaged realm', () => {
  /** Members of the objects that this package makes. */
  const MEMBERS =
    // CodexImageError
    'name message stack code status retryable option exitCode signal detail threadId resetsAt toJSON ' +
    // GeneratedImage, its Aspect, Usage and Timings
    'png width height aspect requested received matches hasAlpha source verified codexVersion revisedPrompt usage timings warnings ' +
    'inputTokens cachedInputTokens outputTokens reasoningOutputTokens totalTokens ' +
    'queueMs preflightMs startMs imageMs stopMs totalMs ' +
    // ProgressEvent, Readiness and its problems
    'phase elapsedMs ready codexPath version login imageTool problems fix blocking ' +
    // Quota, its limits, its credits and the reason why it is unknown
    'quota limits plan credits reached unknown id window usedPercent windowMinutes available unlimited balance';

  const CREDITS = { hasCredits: true, unlimited: false, balance: '1' };

  test.for<[what: string, spoil: string]>([
    ['Error.prepareStackTrace returns frames', 'Error.prepareStackTrace = (_, frames) => frames;'],
    ['Error.prepareStackTrace returns nothing', 'Error.prepareStackTrace = () => undefined;'],
    ['Error.prepareStackTrace throws', 'Error.prepareStackTrace = () => { throw cyclic; };'],
    [
      'Error.prepareStackTrace freezes the error',
      'Error.prepareStackTrace = (error) => { Object.freeze(error); return "Error"; };',
    ],
    ['Error.stackTraceLimit is gone', 'delete Error.stackTraceLimit;'],
    ['Error.stackTraceLimit is 0', 'Error.stackTraceLimit = 0;'],
    [
      'the globals are gone',
      `for (const name of ['Error', 'TypeError', 'Reflect', 'Object', 'Promise', 'Array', 'Function', 'process']) {
         Reflect_deleteProperty(globalThis, name);
       }`,
    ],
    [
      'the globals throw',
      `for (const name of ['Error', 'TypeError', 'Reflect', 'Object', 'Promise', 'process']) {
         defineProperty(globalThis, name, { __proto__: null, get() { throw cyclic; } });
       }`,
    ],
    [
      'the functions of globals throw',
      `const boom = () => { throw cyclic; };
       for (const name of ['get', 'apply', 'getPrototypeOf', 'getOwnPropertyDescriptor']) Reflect[name] = boom;
       for (const name of ['keys', 'hasOwn', 'getPrototypeOf', 'defineProperty']) Object[name] = boom;
       Error.captureStackTrace = Promise.prototype.catch = boom;
       Object.prototype.hasOwnProperty = boom;`,
    ],
    [
      'Object.prototype has setters that throw',
      `for (const name of ${JSON.stringify(MEMBERS.split(' '))}) {
         defineProperty(Object.prototype, name, { __proto__: null, set() { throw cyclic; }, configurable: true });
       }`,
    ],
  ])('leaves every call its result: %s', async ([, spoil], { codex }) => {
    const rateLimits = {
      limitName: 'A',
      primary: { usedPercent: 1, resetsAt: 5 },
      planType: 'plus',
    };
    const appServer = { result: { rateLimits: { ...rateLimits, credits: CREDITS } } };
    await codex.play({ exec: turn(save('workspace', PICTURE)), appServer });
    // This failure is found on another thread.
    const missing = path.join(NOWHERE, 'codex');
    const program = `
      const { generateCodexImage, generateCodexImageDetailed, checkCodex, recoverCodexImage } = load();
      const cyclic = new Error('boom');
      cyclic.cause = cyclic;
      const Reflect_deleteProperty = Reflect.deleteProperty;
      const codexHome = ${JSON.stringify(NOWHERE)};
      const where = { codexPath: options.codexPath, env: options.env };
      const calls = [
        () => generateCodexImage(options, () => {}),
        async () => (await generateCodexImageDetailed(options)).png,
        () => generateCodexImage({ ...options, codexPath: ${JSON.stringify(missing)} }),
        () => generateCodexImage({ ...options, timeoutMs: -1 }),
        () => generateCodexImage(options, 5),
        () => checkCodex({ env: { PATH: '' }, codexHome }),
        async () => (await checkCodex({ ...where, codexHome, quota: true })).quota.unknown.code,
        async () => (await checkCodex({ ...where, quota: true })).quota.limits[0].resetsAt.getTime(),
        () => recoverCodexImage({ threadId: '${THREAD}', codexHome }),
        () => recoverCodexImage({}),
      ];
      ${spoil}
      const ends = [];
      for (const call of calls) ends[ends.length] = await told(call);
      return ends;`;
    const ends = await inOwnRealm(program, codex.options());
    expect(ends.map(short)).toEqual([
      'a picture',
      'a picture',
      'CODEX_NOT_FOUND',
      'INVALID_OPTIONS',
      'INVALID_OPTIONS',
      'an answer',
      'NOT_SIGNED_IN',
      5000,
      'NO_IMAGE',
      'INVALID_OPTIONS',
    ]);
  });

  /** Returns the part of a result that is compared. */
  function short(end: CallEnd): unknown {
    if (typeof end === 'string' || 'threw' in end) return end;
    if ('rejected' in end) return end.rejected.code ?? end;
    if (end.resolved === DRAWN.resolved) return 'a picture';
    return typeof end.resolved === 'object' ? 'an answer' : end.resolved;
  }

  test('leaves INVALID_OPTIONS for a getter whose error has an endless cause', async ({
    codex,
  }) => {
    const program = `
      const { generateCodexImage } = load();
      const cyclic = new Error('boom');
      cyclic.cause = cyclic;
      cyclic.toString = () => { throw cyclic; };
      const boom = () => { throw cyclic; };
      const endless = new Proxy({}, { getPrototypeOf: () => endless });
      return [
        await told(() => generateCodexImage({ ...options, get aspect() { return boom(); } })),
        await told(() => generateCodexImage(new Proxy(options, { getPrototypeOf: boom }))),
        await told(() => generateCodexImage(endless)),
      ];`;
    expect(await inOwnRealm(program, codex.options())).toMatchObject([
      { rejected: { code: 'INVALID_OPTIONS', message: expect.stringContaining('`aspect`') } },
      { rejected: { code: 'INVALID_OPTIONS', message: expect.stringContaining('threw') } },
      { rejected: { code: 'INVALID_OPTIONS', message: expect.stringContaining('threw') } },
    ]);
  });
});

describe('a signal that throws', () => {
  const USES = ['aborted', 'reason', 'addEventListener', 'removeEventListener'] as const;

  /** A signal whose named members throw while `on` is set. */
  class Spoilt extends EventTarget {
    on = true;
    readonly #wrong: readonly string[];
    readonly #controller = new AbortController();

    constructor(...wrong: string[]) {
      super();
      this.#wrong = wrong;
      for (const use of USES) Object.defineProperty(this, use, { get: () => this.#use(use) });
    }

    abort(): void {
      this.#controller.abort('enough');
    }

    #use(use: (typeof USES)[number]): unknown {
      if (this.on && this.#wrong.includes(use)) throw new Error('boom');
      const { signal } = this.#controller;
      const value = signal[use];
      return typeof value === 'function' ? value.bind(signal) : value;
    }
  }

  const options = (codex: StubCodex, signal: Spoilt) =>
    codex.options({ signal: signal as unknown as AbortSignal });

  test.for<[when: string, wrong: string]>([
    ['aborted', 'aborted'],
    ['addEventListener', 'addEventListener'],
    ['removeEventListener', 'removeEventListener'],
  ])('is an invalid option if it throws at the start in %s', async ([, wrong], { codex }) => {
    const call = codex.generate([], options(codex, new Spoilt(wrong)));
    const error = await failure(call);
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS' });
    expect(error.message).toContain('`signal`');
    expect(await codex.recordings()).toEqual([]);
  });

  test('is an invalid option if its reason throws before the call', async ({ codex }) => {
    const signal = new Spoilt('reason');
    signal.abort();
    const error = await failure(codex.generate([], options(codex, signal)));
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS' });
    expect(await codex.recordings()).toEqual([]);
  });

  test('is an invalid option if its method throws', async ({ codex }) => {
    const signal = Object.assign(new EventTarget(), { aborted: false });
    signal.addEventListener = () => {
      throw new Error('boom');
    };
    const error = await failure(
      codex.generate([], codex.options({ signal: signal as unknown as AbortSignal })),
    );
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS' });
    expect(error.message).toContain('`signal`');
    expect(await codex.recordings()).toEqual([]);
  });

  test.for(USES)('loses no image if it throws at the end in %s', async (wrong, { codex }) => {
    const signal = new Spoilt(wrong);
    signal.on = false;
    const spoil = () => (signal.on = true);
    const steps = turn(save('workspace', PICTURE));
    expect(await codex.generate(steps, options(codex, signal), spoil)).toEqual(PICTURE);
  });

  test.for(['aborted', 'reason'])(
    'still aborts the call if it throws at the end in %s',
    async (wrong, { codex }) => {
      const signal = new Spoilt(wrong);
      signal.on = false;
      const running: Step[] = [RUNNING, HANG];
      const call = codex.generate(turn(...running), options(codex, signal));
      const end = failure(call);
      await codex.reached('running');
      signal.on = true;
      signal.abort();
      expect(await end).toMatchObject({ code: 'ABORTED' });
    },
  );
});

describe('an unusual callback', () => {
  const boom = () => {
    throw new Error('boom');
  };
  const hostile = () => {
    const promise = Promise.reject(new Error('boom'));
    for (const name of ['catch', 'then']) Object.defineProperty(promise, name, { get: boom });
    return promise;
  };
  const unreadable = () => {
    // The test handles this rejection itself.
    const promise = Promise.reject(new Error('boom'));
    promise.catch(() => {});
    return Object.defineProperty(promise, 'constructor', { get: boom });
  };

  class Odd {
    readonly odd = true;
  }

  test.for<[what: string, onProgress: unknown]>([
    ['is frozen', Object.freeze(() => {})],
    ['is a Proxy', new Proxy(() => {}, {})],
    ['is a Proxy that throws', new Proxy(() => {}, { apply: boom, get: boom })],
    ['is a class', Odd],
    ['returns a promise whose methods throw', hostile],
    ['returns a promise whose constructor throws', unreadable],
    ['returns a Proxy that throws', () => new Proxy({}, { get: boom, getPrototypeOf: boom })],
  ])('%s, and the generation completes', async ([, onProgress], { codex }) => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note).on('uncaughtException', note);
    try {
      const steps = turn(save('workspace', PICTURE));
      expect(await codex.generate(steps, {}, onProgress as () => void)).toEqual(PICTURE);
    } finally {
      process.off('unhandledRejection', note).off('uncaughtException', note);
    }
    expect(unhandled).toEqual([]);
  });
});
