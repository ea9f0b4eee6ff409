// Whether this machine can draw: known without spending anything, and without a word about any secret.

import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, vi } from 'vitest';

import {
  checkCodex,
  type CheckOptions,
  generateCodexImage,
  type Readiness,
  type ReadinessProblem,
} from '../../index.js';
import { installFromNpm, PLATFORM_PACKAGE, VENDOR } from '../support/npm-layout.js';
import { NOWHERE, WINDOWS } from '../support/platform.js';
import {
  CHATGPT_LOGIN,
  failure,
  type Orders,
  STUB,
  type StubCodex,
  test,
} from '../support/stub.js';

const UNFOUND = path.join(NOWHERE, 'codex');

const SECRET = 'Ab12Cd34-top-secret';

/** A ChatGPT login full of secrets. */
const LOGIN = {
  ...CHATGPT_LOGIN,
  tokens: {
    id_token: `eyJhbGciOiJub25lIn0.${SECRET}.c2ln`,
    access_token: `eyJhbGciOiJub25lIn0.${SECRET}.c2ln`,
    refresh_token: `rt_${SECRET}`,
    account_id: SECRET,
  },
};

const RELAY = `
  model_provider = "my-relay"

  [model_providers.my-relay]
  name = "A relay of ${SECRET}"
  base_url = "http://user:${SECRET}@127.0.0.1:9/v1"
  experimental_bearer_token = "${SECRET}"
`;

/** Checks, and checks the answer for what no answer may hold. */
async function check(
  codex: StubCodex,
  options: CheckOptions = {},
  orders: Partial<Orders> = {},
): Promise<Readiness> {
  await codex.order({ exec: [], ...orders });
  const { env } = codex;
  const found = await checkCodex({ codexPath: STUB, env, ...options });
  expect(JSON.stringify(found)).not.toContain(SECRET);
  expect(Object.values(found)).not.toContain(undefined);
  expect(found.ready).toBe(!found.problems.some(({ blocking }) => blocking));
  for (const { message, fix } of found.problems) {
    for (const text of [message, fix]) {
      expect(text).toMatch(/^[^\n]+\.$/);
      expect(text).not.toContain(codex.home);
    }
  }
  await codex.expectNothingLeft();
  expect(await readdir(codex.temporary)).toEqual([]);
  return found;
}

function codes({ problems }: Readiness): [code: ReadinessProblem['code'], blocking: boolean][] {
  return problems.map(({ code, blocking }) => [code, blocking]);
}

function sentences({ problems }: Readiness): string[] {
  return problems.map(({ message, fix }) => `${message} ${fix}`);
}

/** What was run, but for the question for the version, which is asked once for each program. */
async function commands(codex: StubCodex): Promise<string[]> {
  const all = (await codex.recordings()).map(({ args }) => args.join(' '));
  return all.filter((command) => command !== '--version');
}

test('a machine that can draw', async ({ codex }) => {
  await codex.login(LOGIN);
  expect(await check(codex)).toEqual({
    ready: true,
    codexPath: STUB,
    ...(WINDOWS ? {} : { version: '0.169.0' }),
    login: 'chatgpt',
    imageTool: 'likely',
    problems: [],
  });
  expect(await commands(codex)).toEqual([]);
});

test('an installation from npm tells its version itself: nothing is run', async ({ codex }) => {
  const binary = `codex/node_modules/@openai/${PLATFORM_PACKAGE}/${VENDOR}/bin/codex`;
  const { command: codexPath } = await installFromNpm(codex.scratch, '0.150.1', binary);
  const found = await check(codex, { codexPath });
  expect(found).toMatchObject({ ready: true, version: '0.150.1', login: 'chatgpt' });
  expect(await codex.recordings()).toEqual([]);
});

describe('no CLI', () => {
  test.for<[what: string, options: (codex: StubCodex) => CheckOptions]>([
    ['that codexPath names', () => ({ codexPath: UNFOUND })],
    ['that can be run', () => ({ codexPath: fileURLToPath(import.meta.url) })],
    ['but a directory', ({ scratch }) => ({ codexPath: scratch })],
  ])('%s', async ([, options], { codex }) => {
    await codex.login(LOGIN);
    const found = await check(codex, options(codex));
    expect(found).toMatchObject({ ready: false, login: 'chatgpt' });
    expect(found).not.toHaveProperty('codexPath');
    expect(found).not.toHaveProperty('version');
    expect(codes(found)).toEqual([['CODEX_NOT_FOUND', true]]);
    expect(found.problems[0]?.fix).toContain('npm install -g @openai/codex');
    const error = await failure(generateCodexImage(codex.options(options(codex))));
    expect(sentences(found)).toEqual([error.message]);
    expect(await codex.recordings()).toEqual([]);
  });

  test('and nobody to ask about the login: that is one problem', async ({ codex }) => {
    await codex.login(null);
    const found = await check(codex, { codexPath: UNFOUND });
    expect(found).toMatchObject({ ready: false, login: 'unknown' });
    expect(codes(found)).toEqual([['CODEX_NOT_FOUND', true]]);
  });
});

describe('the login', () => {
  test.for<[what: string, auth: object]>([
    ['an API key', { auth_mode: 'apikey', OPENAI_API_KEY: `sk-${SECRET}`, tokens: null }],
    ['an API key older than `auth_mode`', { OPENAI_API_KEY: `sk-${SECRET}` }],
    ['an agent identity', { auth_mode: 'agentIdentity', agent_identity: SECRET }],
  ])('%s in auth.json', async ([, auth], { codex }) => {
    await codex.login(auth);
    const found = await check(codex);
    expect(found).toMatchObject({ ready: false, login: 'api-key', imageTool: 'unlikely' });
    expect(codes(found)).toEqual([['API_KEY_LOGIN', true]]);
    expect(found.problems[0]?.fix).toContain('codex login');
    expect(await commands(codex)).toEqual([]);
  });

  test.for<[what: string, auth: string | null]>([
    ['no file', null],
    ['no JSON', `{"tokens":"${SECRET}`],
    ['nothing in it', '{}'],
  ])('is asked for where auth.json says nothing: %s', async ([, auth], { codex }) => {
    await codex.login(auth);
    expect(await check(codex)).toMatchObject({ ready: true, login: 'chatgpt', problems: [] });
    expect(await commands(codex)).toEqual(['login status']);
  });

  test.for<
    [text: string, login: Readiness['login'], code: ReadinessProblem['code'], blocking: boolean]
  >([
    ['Not logged in', 'none', 'NOT_SIGNED_IN', true],
    [`Logged in using an API key - sk-${SECRET}`, 'api-key', 'API_KEY_LOGIN', true],
    [`API key configured - sk-${SECRET}`, 'api-key', 'API_KEY_LOGIN', true],
    [`Logged in by ${SECRET}`, 'unknown', 'LOGIN_UNKNOWN', false],
    ['', 'unknown', 'LOGIN_UNKNOWN', false],
  ])('codex says: %s', async ([text, login, code, blocking], { codex }) => {
    await codex.login(null);
    const found = await check(codex, {}, { login: { text, exitCode: blocking ? 1 : 0 } });
    expect(found).toMatchObject({ ready: !blocking, login });
    expect(found.imageTool).toBe(blocking ? 'unlikely' : 'likely');
    expect(codes(found)).toEqual([[code, blocking]]);
    expect(found.problems[0]?.fix).toContain('codex login');
  });

  test('no key in the environment changes it, nor is any handed on', async ({ codex }) => {
    await codex.login(null);
    const env = { ...codex.env, OPENAI_API_KEY: SECRET, CODEX_API_KEY: SECRET };
    expect(await check(codex, { env })).toMatchObject({ ready: true, login: 'chatgpt' });
    expect(JSON.stringify(await codex.recordings())).not.toContain(SECRET);
  });
});

describe('the model provider', () => {
  test('a relay that certainly lacks the tool is a problem', async ({ codex }) => {
    await codex.login(LOGIN);
    await codex.config(RELAY);
    const found = await check(codex);
    expect(found).toMatchObject({ ready: false, login: 'chatgpt', imageTool: 'unlikely' });
    expect(codes(found)).toEqual([['IMAGE_GEN_UNAVAILABLE', true]]);
    expect(found.problems[0]?.message).toContain('my-relay');
  });

  test.for<[what: string, toml: string]>([
    ['with an OpenAI login', `${RELAY}\nrequires_openai_auth = true`],
    [
      'that acts for an OpenAI login',
      `${RELAY}\nhttp_headers = { "X-OpenAI-Actor-Authorization" = "${SECRET}" }`,
    ],
  ])('a relay %s is a hint', async ([, toml], { codex }) => {
    await codex.config(toml);
    const found = await check(codex);
    expect(found).toMatchObject({ ready: true, imageTool: 'likely' });
    expect(codes(found)).toEqual([['CUSTOM_PROVIDER', false]]);
    expect(found.problems[0]?.message).toContain('my-relay');
  });

  test.for<[what: string, toml: string]>([
    ["Codex's own", 'model_provider = "openai"'],
    ['a file that does not parse', `model_provider = = "${SECRET}"`],
  ])('%s is nothing to speak of', async ([, toml], { codex }) => {
    await codex.config(toml);
    expect(await check(codex)).toMatchObject({ ready: true, imageTool: 'likely', problems: [] });
  });

  test('chosen by config', async ({ codex }) => {
    await codex.config(RELAY.replace('model_provider = "my-relay"', ''));
    expect(await check(codex)).toMatchObject({ ready: true });
    const found = await check(codex, { config: { model_provider: '"my-relay"' } });
    expect(codes(found)).toEqual([['IMAGE_GEN_UNAVAILABLE', true]]);
  });
});

test('every problem is told at once', async ({ codex }) => {
  await codex.login({ auth_mode: 'apikey', OPENAI_API_KEY: `sk-${SECRET}` });
  await codex.config(RELAY);
  const found = await check(codex, { codexPath: UNFOUND });
  expect(codes(found).toSorted()).toEqual([
    ['API_KEY_LOGIN', true],
    ['CODEX_NOT_FOUND', true],
    ['IMAGE_GEN_UNAVAILABLE', true],
  ]);
});

test('a home that is named has to be there: Codex does not make it', async ({ codex }) => {
  await rm(codex.home, { recursive: true });
  const found = await check(codex);
  expect(found).toMatchObject({ login: 'none', imageTool: 'unlikely' });
  expect(codes(found)).toEqual([['NOT_SIGNED_IN', true]]);
  expect(await commands(codex)).toEqual([]);
});

test('the default home need not be there: Codex makes it', async ({ codex }) => {
  const { CODEX_HOME: _, ...env } = codex.env;
  const login = { text: 'Not logged in', exitCode: 1 };
  const found = await check(codex, { env }, { login });
  expect(codes(found)).toEqual([['NOT_SIGNED_IN', true]]);
  expect(await commands(codex)).toEqual(['login status']);
});

test('codexHome is the home that is looked at', async ({ codex }) => {
  await codex.login({ auth_mode: 'apikey', OPENAI_API_KEY: `sk-${SECRET}` });
  const env = { ...codex.env, CODEX_HOME: codex.scratch };
  const found = await check(codex, { env, codexHome: codex.home });
  expect(found.login).toBe('api-key');
});

describe('the options', () => {
  /** The function as JavaScript sees it: anything can be passed. */
  const loose = checkCodex as (...args: unknown[]) => Promise<unknown>;

  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test.for<[what: string, args: unknown[]]>([
    ['left out', []],
    ['undefined', [undefined]],
    ['null', [null]],
    ['empty', [{}]],
    ['of nothing but undefined', [{ codexPath: undefined, codexHome: undefined, env: undefined }]],
    ['of nothing but null', [{ codexPath: null, codexHome: null, env: null, config: null }]],
  ])('may be %s: then it is this very process', async ([, args], { codex }) => {
    await codex.order([]);
    for (const [name, value] of Object.entries(codex.env)) vi.stubEnv(name, value);
    vi.stubEnv('CODEX_BIN', STUB);
    expect(await loose(...args)).toMatchObject({ ready: true, codexPath: STUB, login: 'chatgpt' });
  });

  test.for<[options: unknown, option: string]>([
    [5, 'options'],
    ['codex', 'options'],
    [[], 'options'],
    [() => {}, 'options'],
    [{ codexPath: 'codex' }, 'codexPath'],
    [{ codexPath: '' }, 'codexPath'],
    [{ codexPath: 5 }, 'codexPath'],
    [{ codexHome: './codex' }, 'codexHome'],
    [{ env: { A: 5 } }, 'env.A'],
    [{ env: 'PATH=/bin' }, 'env'],
    [{ config: { 'a=b': 'c' } }, 'config'],
    [{ config: { a: 5 } }, 'config.a'],
  ])('%j is refused', async ([options, option]) => {
    let promise: Promise<unknown> | undefined;
    expect(() => (promise = loose(options))).not.toThrow();
    const error = await failure(promise as Promise<unknown>);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS', status: 400 });
    expect(error.option).toMatch(new RegExp(`^${option}($|\\.)`));
    expect(error.message).toContain(`\`${error.option}\``);
  });
});
