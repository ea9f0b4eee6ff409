// `checkCodex({ quota: true })` asks the CLI's app-server what is left of the account's limits.

import { describe, expect, vi } from 'vitest';

import { checkCodex, type CheckOptions, type Quota, type Readiness } from '../../index.js';
import { directories, NOWHERE, WINDOWS } from '../support/platform.js';
import { HANG, print, RUNNING, TERMINATION_SIGNALS } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';
import type { StubScript } from '../support/stub/stub-script.js';

const RESETS_AT = 1_795_782_008;

const CODEX = {
  limitId: 'codex',
  limitName: null,
  primary: { usedPercent: 42, windowDurationMins: 300, resetsAt: RESETS_AT },
  secondary: { usedPercent: 100, windowDurationMins: 10_080, resetsAt: null },
  credits: { hasCredits: true, unlimited: false, balance: '12.5' },
  planType: 'plus',
  rateLimitReachedType: 'rate_limit_reached',
};

const OTHER = { limitId: 'a_model', limitName: 'A model', primary: { usedPercent: 7.5 } };

const ANSWER = {
  result: { rateLimits: CODEX, rateLimitsByLimitId: { a_model: OTHER, codex: CODEX } },
};

async function check(
  codex: StubCodex,
  script: Partial<StubScript>,
  options: CheckOptions = {},
): Promise<Readiness> {
  await codex.play({ exec: [], ...script });
  const found = await checkCodex({
    codexPath: SCRIPT_STUB,
    env: codex.env,
    quota: true,
    ...options,
  });
  await codex.expectNothingLeft();
  return found;
}

/** The quota that is not known for a reason with this code. */
function unknown(code: string): Quota {
  const sentence = expect.stringMatching(/^[A-Z`][^\n]+\.$/);
  return { limits: [], unknown: { code, message: sentence, fix: sentence } } as Quota;
}

async function appServers(codex: StubCodex) {
  return (await codex.recordings()).filter(({ args }) => args[0] === 'app-server');
}

describe('the quota', () => {
  test('has every limit, the plan and the credits', async ({ codex }) => {
    const found = await check(codex, { appServer: ANSWER });
    expect(found).toMatchObject({ ready: true, problems: [] });
    expect(found.quota).toEqual({
      limits: [
        {
          id: 'codex',
          window: 'primary',
          usedPercent: 42,
          windowMinutes: 300,
          resetsAt: new Date(RESETS_AT * 1000),
        },
        { id: 'codex', window: 'secondary', usedPercent: 100, windowMinutes: 10_080 },
        { id: 'a_model', name: 'A model', window: 'primary', usedPercent: 7.5 },
      ],
      plan: 'plus',
      credits: { available: true, unlimited: false, balance: '12.5' },
      reached: 'rate_limit_reached',
    });
  });

  test('has the one limit of an answer without the others', async ({ codex }) => {
    const { quota } = await check(codex, {
      appServer: { result: { rateLimits: { primary: { usedPercent: 3 } } } },
    });
    expect(quota).toEqual({ limits: [{ id: 'codex', window: 'primary', usedPercent: 3 }] });
  });

  test.for([undefined, null, false])(
    'is asked for only on request: %s',
    async (quota, { codex }) => {
      const found = await check(codex, { appServer: ANSWER }, { quota });
      expect(found).not.toHaveProperty('quota');
      expect(await appServers(codex)).toEqual([]);
    },
  );

  test('is asked for after a handshake, by an app-server that starts no servers', async ({
    codex,
  }) => {
    await codex.config("[mcp_servers.mine]\ncommand = 'mine'\n");
    const env = { ...codex.env, OPENAI_API_KEY: 'sk-not-for-codex' };
    await check(codex, { appServer: ANSWER }, { config: { chatgpt_base_url: '"x"' }, env });
    const [asked, ...more] = await appServers(codex);
    expect(more).toEqual([]);
    expect(asked?.args).toContain('features.plugins=false');
    expect(asked?.args).toContain('mcp_servers={ mine = { enabled = false } }');
    expect(asked?.args).toContain('chatgpt_base_url="x"');
    expect(JSON.stringify(asked)).not.toContain('sk-not-for-codex');
    const methods = asked?.stdin
      ?.trim()
      .split('\n')
      .map((line) => JSON.parse(line).method);
    expect(methods).toEqual(['initialize', 'initialized', 'account/rateLimits/read']);
    // The end of stdin ended it: it was not killed.
    if (!WINDOWS) expect(asked?.endedAt).toBeDefined();
  });
});

describe('the quota is unknown', () => {
  test.for<[code: string, what: string, script: Partial<StubScript>]>([
    ['UNSUPPORTED', 'a version without app-server', {}],
    [
      'UNSUPPORTED',
      'an app-server without the method',
      { appServer: { error: { code: -32601, message: 'Method not found' } } },
    ],
    [
      'UNSUPPORTED',
      'an app-server that lists its methods',
      {
        appServer: {
          error: { code: -32600, message: 'Invalid request: unknown variant `x`, expected one of' },
        },
      },
    ],
    ['UNSUPPORTED', 'an answer of another form', { appServer: { result: { limits: 5 } } }],
    [
      'BACKEND_ERROR',
      'an error of the backend',
      { appServer: { error: { code: -32603, message: 'body={"email":"me@example.com"}' } } },
    ],
    ['CODEX_FAILED', 'an exit', { appServer: [{ do: 'exit', code: 1 }] }],
    [
      'CODEX_FAILED',
      'lines that are no messages',
      { appServer: [print('stdout', 'x\n[]\n{"id":1,"method":"a"}\n'), { do: 'exit', code: 0 }] },
    ],
  ])('%s: %s', async ([code, , script], { codex }) => {
    const found = await check(codex, script);
    expect(found).toMatchObject({ ready: true, problems: [] });
    expect(found.quota).toEqual(unknown(code));
    expect(JSON.stringify(found)).not.toContain('example.com');
  });

  test('without a login, and Codex is not asked', async ({ codex }) => {
    await codex.login(null);
    const login = { text: 'Not logged in', exitCode: 1 };
    const found = await check(codex, { appServer: ANSWER, login });
    expect(found.quota).toEqual(unknown('NOT_SIGNED_IN'));
    expect(await appServers(codex)).toEqual([]);
  });

  test('with an API key, and Codex is not asked', async ({ codex }) => {
    await codex.login({ auth_mode: 'apikey', OPENAI_API_KEY: 'sk-made-up' });
    expect((await check(codex, { appServer: ANSWER })).quota).toEqual(unknown('API_KEY_LOGIN'));
    expect(await appServers(codex)).toEqual([]);
  });

  test('if Codex is missing', async ({ codex }) => {
    const found = await check(codex, {}, { codexPath: `${NOWHERE}/codex` });
    expect(found.quota).toEqual(unknown('CODEX_NOT_FOUND'));
  });

  test('if Codex has no directory to run in', async ({ codex }) => {
    const env = { ...codex.env, ...directories(codex.user, `${codex.scratch}/missing`) };
    const found = await check(codex, { appServer: ANSWER }, { env });
    expect(found.quota).toEqual(unknown('WORKSPACE_FAILED'));
  });
});

test('an answer before the exit counts', async ({ codex }) => {
  const line = `${JSON.stringify({ id: 1, ...ANSWER })}\n`;
  const { quota } = await check(codex, {
    appServer: [print('stdout', line), { do: 'exit', code: 0 }],
  });
  expect(quota?.plan).toBe('plus');
});

test('an app-server that hangs is stopped in time, with its tools', async ({ codex }) => {
  const began = performance.now();
  const found = await check(codex, {
    appServer: [
      { do: 'ignore', signals: TERMINATION_SIGNALS },
      { do: 'tool', ownSession: true, holds: ['stdout', 'stderr'], ignores: TERMINATION_SIGNALS },
      RUNNING,
      { do: 'flood', to: 'stderr', line: 'a line of its log', bytes: 4 << 20 },
      HANG,
    ],
  });
  expect(codex.hasReached('running')).toBe(true);
  expect(found.quota).toEqual(unknown('TIMEOUT'));
  expect(performance.now() - began).toBeLessThan(25_000);
});

test('the thread of JavaScript is free meanwhile', async ({ codex }) => {
  await codex.play({
    exec: [],
    appServer: [RUNNING, { do: 'await', gate: 'end' }, { do: 'exit', code: 0 }],
  });
  const checking = checkCodex({ codexPath: SCRIPT_STUB, env: codex.env, quota: true });
  await vi.waitUntil(() => codex.hasReached('running'), { timeout: 20_000 });
  await codex.open('end');
  expect((await checking).quota).toEqual(unknown('CODEX_FAILED'));
});

test.for([5, 'yes', {}])('a quota that is no boolean is refused: %s', async (quota) => {
  const options = { quota } as unknown as CheckOptions;
  await expect(checkCodex(options)).rejects.toMatchObject({
    code: 'INVALID_OPTIONS',
    option: 'quota',
  });
});
