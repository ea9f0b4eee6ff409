// `checkCodex` says whether this machine can generate images. It spends nothing and repeats no
// secret.

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
import { installFromNpm, PLATFORM_PACKAGE, VENDOR } from '../support/npm/npm-layout.js';
import { directories, NOWHERE, WINDOWS } from '../support/platform.js';
import { CHATGPT_LOGIN } from '../support/call/login.mjs';
import { failure } from '../support/call/outcome.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { StubScript } from '../support/stub/stub-script.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';

const UNFOUND = path.join(NOWHERE, 'codex');

const SECRET = 'Ab12Cd34-top-secret';

/** A ChatGPT login with recognisable secrets. */
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

/** Calls `checkCodex`, and asserts that the answer holds no secret and no path. */
async function check(
  codex: StubCodex,
  options: CheckOptions = {},
  script: Partial<StubScript> = {},
): Promise<Readiness> {
  await codex.play({ exec: [], ...script });
  const { env } = codex;
  const found = await checkCodex({ codexPath: SCRIPT_STUB, env, ...options });
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

/** The commands that were run, without `--version`, which is asked once for each program. */
async function commands(codex: StubCodex): Promise<string[]> {
  const all = (await codex.recordings()).map(({ args }) => args.join(' '));
  return all.filter((command) => command !== '--version');
}

test('a machine that can generate images is ready', async ({ codex }) => {
  await codex.login(LOGIN);
  expect(await check(codex)).toEqual({
    ready: true,
    codexPath: SCRIPT_STUB,
    ...(WINDOWS ? {} : { version: '0.169.0' }),
    login: 'chatgpt',
    imageTool: 'likely',
    problems: [],
  });
  expect(await commands(codex)).toEqual([]);
});

test('the version of an installation from npm is read without running it', async ({ codex }) => {
  const binary = `codex/node_modules/@openai/${PLATFORM_PACKAGE}/${VENDOR}/bin/codex`;
  const { command: codexPath } = await installFromNpm(codex.scratch, '0.150.1', binary);
  const found = await check(codex, { codexPath });
  expect(found).toMatchObject({ ready: true, version: '0.150.1', login: 'chatgpt' });
  expect(await codex.recordings()).toEqual([]);
});

describe('a missing CLI', () => {
  test.for<[what: string, options: (codex: StubCodex) => CheckOptions]>([
    ['no file at codexPath', () => ({ codexPath: UNFOUND })],
    ['no program at codexPath', () => ({ codexPath: fileURLToPath(import.meta.url) })],
    ['a directory at codexPath', ({ scratch }) => ({ codexPath: scratch })],
  ])('is a problem: %s', async ([, options], { codex }) => {
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

  test('is the only problem though the login cannot be asked for', async ({ codex }) => {
    await codex.login(null);
    const found = await check(codex, { codexPath: UNFOUND });
    expect(found).toMatchObject({ ready: false, login: 'unknown' });
    expect(codes(found)).toEqual([['CODEX_NOT_FOUND', true]]);
  });
});

describe('a missing directory for temporary files', () => {
  test.for<[what: string, store: string]>([
    ['known', 'file'],
    ['not known', 'keyring'],
  ])('is the problem that a call has: login %s', async ([, store], { codex }) => {
    const config = { cli_auth_credentials_store: store };
    const env = { ...codex.env, ...directories(codex.user, path.join(codex.scratch, 'missing')) };
    const found = await check(codex, { config, env });
    expect(codes(found)).toEqual([['WORKSPACE_FAILED', true]]);
    const error = await failure(codex.generate([], { config, env }));
    expect(sentences(found)).toEqual([error.message]);
    expect(await codex.recordings()).toEqual([]);
  });
});

describe('the login', () => {
  test.for<[what: string, auth: object]>([
    ['an API key', { auth_mode: 'apikey', OPENAI_API_KEY: `sk-${SECRET}`, tokens: null }],
    ['an API key older than `auth_mode`', { OPENAI_API_KEY: `sk-${SECRET}` }],
    ['an agent identity', { auth_mode: 'agentIdentity', agent_identity: SECRET }],
  ])('is a problem in auth.json: %s', async ([, auth], { codex }) => {
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
  ])(
    'is what `codex login status` prints: %s',
    async ([text, login, code, blocking], { codex }) => {
      await codex.login(null);
      const found = await check(codex, {}, { login: { text, exitCode: blocking ? 1 : 0 } });
      expect(found).toMatchObject({ ready: !blocking, login });
      expect(found.imageTool).toBe(blocking ? 'unlikely' : 'likely');
      expect(codes(found)).toEqual([[code, blocking]]);
      expect(found.problems[0]?.fix).toContain('codex login');
    },
  );

  test('is not changed by a key in the environment, and no key is handed on', async ({ codex }) => {
    await codex.login(null);
    const env = { ...codex.env, OPENAI_API_KEY: SECRET, CODEX_API_KEY: SECRET };
    expect(await check(codex, { env })).toMatchObject({ ready: true, login: 'chatgpt' });
    expect(JSON.stringify(await codex.recordings())).not.toContain(SECRET);
  });
});

describe('the model provider', () => {
  test('is a problem if it lacks the tool', async ({ codex }) => {
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
  ])('is a hint as a relay %s', async ([, toml], { codex }) => {
    await codex.config(toml);
    const found = await check(codex);
    expect(found).toMatchObject({ ready: true, imageTool: 'likely' });
    expect(codes(found)).toEqual([['CUSTOM_PROVIDER', false]]);
    expect(found.problems[0]?.message).toContain('my-relay');
  });

  test.for<[what: string, toml: string]>([
    ["Codex's own", 'model_provider = "openai"'],
    ['a file that does not parse', `model_provider = = "${SECRET}"`],
  ])('is no problem: %s', async ([, toml], { codex }) => {
    await codex.config(toml);
    expect(await check(codex)).toMatchObject({ ready: true, imageTool: 'likely', problems: [] });
  });

  test('is a problem if `config` chooses it', async ({ codex }) => {
    await codex.config(RELAY.replace('model_provider = "my-relay"', ''));
    expect(await check(codex)).toMatchObject({ ready: true });
    const found = await check(codex, { config: { model_provider: '"my-relay"' } });
    expect(codes(found)).toEqual([['IMAGE_GEN_UNAVAILABLE', true]]);
  });
});

test('all problems are reported at once', async ({ codex }) => {
  await codex.login({ auth_mode: 'apikey', OPENAI_API_KEY: `sk-${SECRET}` });
  await codex.config(RELAY);
  const found = await check(codex, { codexPath: UNFOUND });
  expect(codes(found).toSorted()).toEqual([
    ['API_KEY_LOGIN', true],
    ['CODEX_NOT_FOUND', true],
    ['IMAGE_GEN_UNAVAILABLE', true],
  ]);
});

test('a named home that is missing is a problem, because Codex does not make it', async ({
  codex,
}) => {
  await rm(codex.home, { recursive: true });
  const found = await check(codex);
  expect(found).toMatchObject({ login: 'none', imageTool: 'unlikely' });
  expect(codes(found)).toEqual([['NOT_SIGNED_IN', true]]);
  expect(await commands(codex)).toEqual([]);
});

test('a missing default home is no problem, because Codex makes it', async ({ codex }) => {
  const { CODEX_HOME: _, ...env } = codex.env;
  const login = { text: 'Not logged in', exitCode: 1 };
  const found = await check(codex, { env }, { login });
  expect(codes(found)).toEqual([['NOT_SIGNED_IN', true]]);
  expect(await commands(codex)).toEqual(['login status']);
});

test('codexHome wins over CODEX_HOME', async ({ codex }) => {
  await codex.login({ auth_mode: 'apikey', OPENAI_API_KEY: `sk-${SECRET}` });
  const env = { ...codex.env, CODEX_HOME: codex.scratch };
  const found = await check(codex, { env, codexHome: codex.home });
  expect(found.login).toBe('api-key');
});

describe('the options of checkCodex', () => {
  /** The function as JavaScript sees it: any argument can be passed. */
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
  ])('may be %s, and process.env is used', async ([, args], { codex }) => {
    await codex.play([]);
    for (const [name, value] of Object.entries(codex.env)) vi.stubEnv(name, value);
    vi.stubEnv('CODEX_BIN', SCRIPT_STUB);
    expect(await loose(...args)).toMatchObject({
      ready: true,
      codexPath: SCRIPT_STUB,
      login: 'chatgpt',
    });
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
  ])('are refused: %j', async ([options, option]) => {
    let promise: Promise<unknown> | undefined;
    expect(() => (promise = loose(options))).not.toThrow();
    const error = await failure(promise as Promise<unknown>);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS', status: 400 });
    expect(error.option).toMatch(new RegExp(`^${option}($|\\.)`));
    expect(error.message).toContain(`\`${error.option}\``);
  });
});
