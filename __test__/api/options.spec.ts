// Invalid options never throw synchronously, start nothing, and are named in the error.

import path from 'node:path';

import { describe, expect, test } from 'vitest';

import {
  type CodexImageError,
  codexNeedsDangerFullAccessSandbox,
  generateCodexImage,
  generateCodexImageDetailed,
  recoverCodexImage,
  setMaxConcurrentRuns,
} from '../../index.js';
import { NOWHERE } from '../support/platform.js';
import { failure } from '../support/call/outcome.js';

/** The functions as JavaScript sees them: any argument can be passed. */
type Loose = (...args: unknown[]) => Promise<unknown>;
const generate = generateCodexImage as Loose;
const generateDetailed = generateCodexImageDetailed as Loose;

/** Makes valid options fail with CODEX_NOT_FOUND, which is checked next. */
const UNFOUND = { prompt: 'a red fox', codexPath: path.join(NOWHERE, 'codex') };
const FOX = path.join(NOWHERE, 'fox.png');

async function refuses(args: unknown[], option: string): Promise<void> {
  for (const call of [generate, generateDetailed]) {
    let promise: Promise<unknown> | undefined;
    expect(() => (promise = call(...args))).not.toThrow();
    expect(promise).toBeInstanceOf(Promise);
    const error = await failure(promise as Promise<unknown>);
    expect(error).toBeInstanceOf(TypeError);
    expectRefusal(error, option);
  }
}

/** `option`, or a part of it (`env.PATH`, `referenceImages[2]`), in the member and the message. */
function expectRefusal(error: CodexImageError, option: string): void {
  expect(error).toMatchObject({ code: 'INVALID_OPTIONS', status: 400, retryable: false });
  expect(error.option).toMatch(new RegExp(`^${option}($|[.[])`));
  expect(error.message).toContain(`Invalid option \`${error.option}\`: `);
}

async function accepts(...args: unknown[]): Promise<void> {
  expect(await failure(generate(...args))).toMatchObject({ code: 'CODEX_NOT_FOUND' });
}

/** Test titles cannot hold every value. */
function titled(values: readonly unknown[]): [title: string, value: unknown][] {
  return values.map((value) => [describeValue(value), value]);
}

function describeValue(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number' || typeof value === 'symbol') return String(value);
  if (typeof value === 'function') return 'a function';
  if (value instanceof EventTarget || value instanceof AbortController) {
    return `a ${value.constructor.name}`;
  }
  return JSON.stringify(value) ?? 'undefined';
}

const STRING_MISUSES = [5, true, {}, [], Symbol('text')];

describe.each<[option: string, values: readonly unknown[]]>([
  ['prompt', [undefined, null, '', '   ', '\n\t', 'a\0b', ...STRING_MISUSES]],
  [
    'aspect',
    ['', ' ', 'x', '16', '16x9', '0:1', '1:0', '-1:1', '16:9:1', '16:', ':9', ...STRING_MISUSES],
  ],
  ['codexPath', ['', 'codex', './codex', '../codex', '/opt/\0/codex', ...STRING_MISUSES]],
  ['codexHome', ['', '.codex', './codex', '/opt/\0/codex', ...STRING_MISUSES]],
  ['model', ['', ' ', 'gpt\0', '--help', ...STRING_MISUSES]],
  ['sandbox', ['', 'none', 'AUTO', 'workspace_write', ...STRING_MISUSES]],
  ['completion', ['', 'never', 'Image', ...STRING_MISUSES]],
  ['validation', ['', 'none', 'FULL', ...STRING_MISUSES]],
  ['networkAccess', [0, 1, 'true', '', {}]],
  ['transparent', [0, 1, 'true', '', {}, []]],
  ['requireVerified', [0, 1, 'true', '', {}, []]],
  ['lean', [0, 1, 'true', '', {}, []]],
  [
    'referenceImages',
    [FOX, 5, {}, ['fox.png'], [''], [`${FOX}\0`], [5], [null], Array(6).fill(FOX)],
  ],
  [
    'env',
    [
      'PATH=/bin',
      5,
      true,
      [],
      [['PATH', '/bin']],
      { A: 5 },
      { A: null },
      { A: {} },
      { A: 'a\0b' },
      { 'A\0': 'a' },
      { 'A=B': 'a' },
      { '': 'a' },
    ],
  ],
  [
    'config',
    [
      'a=b',
      5,
      [],
      [['a', 'b']],
      { a: 5 },
      { a: null },
      { a: 'b\0' },
      { 'a\0': 'b' },
      { '': 'b' },
      { 'a=b': 'c' },
    ],
  ],
  ['disableFeatures', ['plugins', 5, {}, [5], [null], [''], ['a\0b'], ['--help']]],
  [
    'signal',
    ['abort', 5, true, {}, { aborted: true }, new AbortController(), new EventTarget(), () => {}],
  ],
])('%s', (option, values) => {
  test.each(titled(values))('refuses %s', async (_title, value) => {
    await refuses([{ ...UNFOUND, [option]: value }], option);
  });
});

describe.each([
  ['timeoutMs', 1, 2_147_483_647],
  ['killGraceMs', 0, 600_000],
  ['maxImageBytes', 1, 1_073_741_824],
  ['maxReconnects', 0, 1000],
])('%s', (option, least, most) => {
  const wrong = [
    -1,
    -0.5,
    1.5,
    NaN,
    Infinity,
    -Infinity,
    2 ** 53,
    1e300,
    '5',
    '',
    10n,
    true,
    {},
    [],
  ];

  test.each(titled([...wrong, least - 1, most + 1]))('refuses %s', async (_title, value) => {
    await refuses([{ ...UNFOUND, [option]: value }], option);
  });

  test.each([least, most])('accepts %s', async (value) => {
    // Not `accepts`: 1 ms may be over before the CLI is searched.
    const { code } = await failure(generate({ ...UNFOUND, [option]: value }));
    expect(code).not.toBe('INVALID_OPTIONS');
  });
});

describe('the option of an error', () => {
  test.for<[option: string, options: object]>([
    ['timeoutMs', { timeoutMs: 0 }],
    ['env', { env: 5 }],
    ['env.PATH', { env: { HOME: '/', PATH: 5 } }],
    ['config.model', { config: { model: null } }],
    ['referenceImages', { referenceImages: Array(6).fill(FOX) }],
    ['referenceImages[2]', { referenceImages: [FOX, FOX, 'fox.png'] }],
    ['disableFeatures[1]', { disableFeatures: ['plugins', 5] }],
  ])('is named: %s', async ([option, options]) => {
    const error = await failure(generate({ ...UNFOUND, ...options }));
    expect(error.option).toBe(option);
    expect(Object.keys(error)).toEqual(['code', 'status', 'retryable', 'option']);
  });

  test('is short and printable for any name of a variable', async () => {
    const name = `A\u202e\`\n${'x'.repeat(100_000)}`;
    const { option, message } = await failure(generate({ ...UNFOUND, env: { [name]: 5 } }));
    expect(option).toMatch(/^env\.A' ?x+…?$/);
    expect(option?.length).toBeLessThanOrEqual(100);
    expect(message).toContain(`\`${option}\``);
  });

  test('is a member of no other error', async () => {
    expect(await failure(generate(UNFOUND))).not.toHaveProperty('option');
  });
});

describe('an absent option', () => {
  test.each([
    'aspect',
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
  ])('may be undefined or null: %s', async (option) => {
    await accepts({ ...UNFOUND, [option]: undefined });
    await accepts({ ...UNFOUND, [option]: null });
  });

  test('may be undefined or null: codexPath', async () => {
    // Another option is invalid, so that the search for a CLI does not begin.
    await refuses([{ prompt: 'a red fox', codexPath: undefined, timeoutMs: -1 }], 'timeoutMs');
    await refuses([{ prompt: 'a red fox', codexPath: null, timeoutMs: -1 }], 'timeoutMs');
  });

  test('may be left out, undefined or null: onProgress', async () => {
    await accepts(UNFOUND);
    await accepts(UNFOUND, undefined);
    await accepts(UNFOUND, null);
  });
});

describe('generateCodexImage', () => {
  test.each(['1:1', '16:9', '9:16', '4:3', '3:4', '21:9'])(
    'accepts the aspect %s',
    async (aspect) => {
      await accepts({ ...UNFOUND, aspect });
    },
  );

  test.each(['auto', 'read-only', 'workspace-write', 'danger-full-access'])(
    'accepts the sandbox %s',
    async (sandbox) => {
      await accepts({ ...UNFOUND, sandbox });
    },
  );

  test('accepts empty collections', async () => {
    await accepts({ ...UNFOUND, env: {}, config: {}, disableFeatures: [], referenceImages: [] });
  });

  test.each(['transparent', 'requireVerified', 'lean'])(
    'accepts true and false for %s',
    async (option) => {
      await accepts({ ...UNFOUND, [option]: true });
      await accepts({ ...UNFOUND, [option]: false });
    },
  );

  test("accepts five references, and does not open them before the call's turn", async () => {
    await accepts({ ...UNFOUND, referenceImages: Array(5).fill(FOX) });
  });

  test('accepts options with a prototype of their own, or none', async () => {
    await accepts(Object.assign(Object.create(null), UNFOUND));
    await accepts(Object.create(UNFOUND));
  });

  test('accepts options that a class inherits', async () => {
    class Options {
      get prompt(): string {
        return UNFOUND.prompt;
      }
    }
    class Derived extends Options {
      codexPath = UNFOUND.codexPath;
    }
    await accepts(new Derived());
    await accepts(Object.create(Object.assign(Object.create(null), UNFOUND)));
  });

  test('accepts options behind a Proxy', async () => {
    await accepts(new Proxy(UNFOUND, {}));
    await accepts(new Proxy({}, { get: (_, name) => Reflect.get(UNFOUND, name) }));
  });
});

describe('an argument of generateCodexImage', () => {
  test.each(titled([undefined, null, 5, true, 10n, 'a red fox', Symbol('options'), [], [UNFOUND]]))(
    'is refused as options: %s',
    async (_title, options) => {
      await refuses([options], 'options');
    },
  );

  test('is required', async () => {
    await refuses([], 'options');
  });

  test.each(titled([5, 'log', true, {}, [], 10n]))(
    'is refused as onProgress: %s',
    async (_title, value) => {
      await refuses([UNFOUND, value], 'onProgress');
    },
  );
});

describe('an option object that throws', () => {
  const boom = () => {
    throw new Error('boom');
  };

  test.each(['prompt', 'env', 'timeoutMs', 'signal'])(
    'is refused for its getter of %s',
    async (option) => {
      await refuses([Object.defineProperty({ ...UNFOUND }, option, { get: boom })], option);
    },
  );

  test('is refused for a getter in env', async () => {
    await refuses(
      [{ ...UNFOUND, env: Object.defineProperty({}, 'A', { get: boom, enumerable: true }) }],
      'env',
    );
  });

  test('is refused as a Proxy', async () => {
    await refuses([new Proxy({}, { get: boom, has: boom, ownKeys: boom })], 'prompt');
  });

  test('is refused as a revoked Proxy', async () => {
    const { proxy, revoke } = Proxy.revocable(UNFOUND, {});
    revoke();
    await refuses([proxy], 'prompt');
  });

  test('is refused for a nested Proxy', async () => {
    await refuses([{ ...UNFOUND, config: new Proxy({}, { ownKeys: boom }) }], 'config');
    await refuses(
      [{ ...UNFOUND, disableFeatures: new Proxy([], { get: boom }) }],
      'disableFeatures',
    );
    await refuses(
      [{ ...UNFOUND, referenceImages: new Proxy([], { get: boom }) }],
      'referenceImages',
    );
  });
});

describe('a function that returns no promise', () => {
  const boom = () => {
    throw new Error('boom');
  };

  test.for<[what: string, args: unknown[]]>([
    ['nothing', []],
    ['undefined', [undefined]],
    ['null', [null]],
    ['0', [0]],
    ['-0', [-0]],
    ['-1', [-1]],
    ['1.5', [1.5]],
    ['NaN', [NaN]],
    ['Infinity', [Infinity]],
    ['1001', [1001]],
    ['2^32 + 1', [2 ** 32 + 1]],
    ['a string', ['2']],
    ['a bigint', [2n]],
    ['true', [true]],
    ['an object', [{}]],
    ['an object with valueOf', [{ valueOf: () => 2 }]],
    ['an array', [[2]]],
    ['a symbol', [Symbol('2')]],
  ])('throws: setMaxConcurrentRuns of %s', ([, args]) => {
    const call = () => (setMaxConcurrentRuns as (...limit: unknown[]) => void)(...args);
    expect(call).toThrow(TypeError);
    const refusal = {
      name: 'CodexImageError',
      code: 'INVALID_OPTIONS',
      status: 400,
      retryable: false,
      option: 'maxConcurrentRuns',
      message: expect.stringContaining('maxConcurrentRuns'),
    };
    expect(call).toThrow(expect.objectContaining(refusal));
  });

  test('throws: codexNeedsDangerFullAccessSandbox of an environment that throws', () => {
    const env = Object.defineProperty({}, 'OD_CODEX_SANDBOX', { get: boom, enumerable: true });
    const call = () => codexNeedsDangerFullAccessSandbox('linux', env);
    expect(call).toThrow(TypeError);
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_OPTIONS', option: 'env' }));
    expect(call).toThrow('`env`');
  });
});

describe('recoverCodexImage', () => {
  const THREAD = '0199d2c4-aaaa-7000-8000-0123456789ab';
  const recover = recoverCodexImage as Loose;

  async function refusesToRecover(args: unknown[], option: string): Promise<void> {
    let promise: Promise<unknown> | undefined;
    expect(() => (promise = recover(...args))).not.toThrow();
    const error = await failure(promise as Promise<unknown>);
    expect(error).toBeInstanceOf(TypeError);
    expectRefusal(error, option);
  }

  test.each(titled([undefined, null, 5, true, 10n, THREAD, Symbol('options'), [], [THREAD]]))(
    'refuses the options %s',
    async (_title, options) => {
      await refusesToRecover([options], 'options');
    },
  );

  test('refuses to be called without options', async () => {
    await refusesToRecover([], 'options');
  });

  describe.each<[option: string, values: readonly unknown[]]>([
    ['threadId', [undefined, null, '', ' ', 'a thread', ...STRING_MISUSES]],
    ['codexHome', ['', '.codex', '/opt/\0/codex', ...STRING_MISUSES]],
    ['env', ['PATH=/bin', 5, [], { A: 5 }, { 'A=B': 'a' }]],
    ['maxImageBytes', [0, -1, 1.5, NaN, Infinity, 1_073_741_825, '5', 10n, true, {}, []]],
  ])('%s', (option, values) => {
    test.each(titled(values))('refuses %s', async (_title, value) => {
      await refusesToRecover([{ threadId: THREAD, codexHome: NOWHERE, [option]: value }], option);
    });
  });

  test.each([undefined, null])('accepts %s for an absent option', async (nothing) => {
    const options = {
      threadId: THREAD,
      codexHome: NOWHERE,
      env: nothing,
      maxImageBytes: nothing,
    };
    expect(await failure(recover(options))).toMatchObject({ code: 'NO_IMAGE' });
  });

  test('refuses a getter that throws', async () => {
    const boom = () => {
      throw new Error('boom');
    };
    const options = Object.defineProperty({}, 'threadId', { get: boom });
    await refusesToRecover([options], 'threadId');
  });
});
