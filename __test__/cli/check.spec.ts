// `--check` prints whether this machine can generate images, and how to fix what is missing.

import path from 'node:path';

import { describe, expect } from 'vitest';

import { events, run, test } from '../support/cli/command.js';
import { CODEX_IS_INSTALLED, NOWHERE } from '../support/platform.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';

const MISSING = { CODEX_BIN: '', PATH: '/nowhere' };

describe('--check on a machine that is ready', () => {
  test('prints that it is', async ({ commandEnv }) => {
    const { code, stdout, stderr } = await run(commandEnv, ['--check']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.toString().split('\n')).toEqual([
      'Ready to draw.',
      expect.stringContaining(`  Codex CLI   ${SCRIPT_STUB}`),
      '  Login       ChatGPT',
      '  Image tool  likely',
      '',
    ]);
  });

  test('prints an object with --json', async ({ commandEnv }) => {
    const outcome = await run(commandEnv, ['--check', '--json']);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(events(outcome)).toMatchObject([
      { type: 'readiness', ready: true, codexPath: SCRIPT_STUB, login: 'chatgpt', problems: [] },
    ]);
  });

  test('prints hints', async ({ codex, commandEnv }) => {
    await codex.login({ some: 'login of tomorrow' });
    await codex.play({ login: { text: 'Logged in in a new way', exitCode: 0 }, exec: [] });
    const { code, stdout } = await run(commandEnv, ['--check']);
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(
      /^Ready to draw\.\n[^]*\nHint: .*\[LOGIN_UNKNOWN\]\n {2}To do: /,
    );
  });
});

describe('--check on a machine that is not ready', () => {
  test.skipIf(CODEX_IS_INSTALLED)(
    'prints each problem with its fix',
    async ({ codex, commandEnv }) => {
      await codex.login(null);
      const { code, stdout, stderr } = await run(commandEnv, ['--check'], { env: MISSING });
      expect({ code, stderr }).toEqual({ code: 69, stderr: '' });
      const text = stdout.toString();
      expect(text).toMatch(/^Not ready to draw\.\n {2}Codex CLI {3}not found\n/);
      expect(text).toMatch(
        /\nProblem: The Codex CLI was not found.* \[CODEX_NOT_FOUND\]\n {2}To do: /,
      );
      expect(text).not.toContain('codexPath');
      expect(text).not.toContain('Image tool');
    },
  );

  test.for<[what: string, args: string[], env: Record<string, string>, told: string]>([
    ['--codex', ['--codex', NOWHERE], {}, `--codex is “${NOWHERE}”.`],
    [
      '--codex with a relative path',
      ['--codex', 'nowhere/codex'],
      {},
      `${path.join('nowhere', 'codex')}”.`,
    ],
    ['CODEX_BIN', [], { CODEX_BIN: NOWHERE }, `CODEX_BIN is “${NOWHERE}”.`],
    ['a relative CODEX_BIN', [], { CODEX_BIN: 'codex' }, 'CODEX_BIN is “codex”.'],
    ['--codex-home', ['--codex-home', NOWHERE], {}, `--codex-home is “${NOWHERE}”.`],
    ['CODEX_HOME', [], { CODEX_HOME: NOWHERE }, `CODEX_HOME is “${NOWHERE}”.`],
  ])(
    'names the wrong setting and its path: %s',
    async ([, args, env, told], { codex, commandEnv }) => {
      const { code, stdout, stderr } = await run(commandEnv, ['--check', ...args], { env });
      expect({ code, stderr }).toEqual({ code: 69, stderr: '' });
      expect(stdout.toString()).toMatch(/^Not ready to draw\.\n/);
      expect(stdout.toString()).toContain(told);
      expect(stdout.toString()).not.toContain('Or say where it is');
      const [readiness] = events(await run(commandEnv, ['--check', '--json', ...args], { env }));
      expect(readiness).toMatchObject({ problems: [{ fix: expect.stringContaining(told) }] });
      const drawn = await run(commandEnv, ['a fox', '-q', ...args], { env });
      expect(drawn.code).toBe(69);
      expect(drawn.stderr).toContain(told);
      expect((await codex.recordings()).filter(({ command }) => command === 'exec')).toEqual([]);
    },
  );

  test('prints an object with --json', async ({ codex, commandEnv }) => {
    await codex.login({ auth_mode: 'apikey', OPENAI_API_KEY: 'sk-made-up' });
    const outcome = await run(commandEnv, ['--check', '--json']);
    expect(outcome.code).toBe(69);
    expect(events(outcome)).toMatchObject([
      { type: 'readiness', ready: false, problems: [{ code: 'API_KEY_LOGIN', blocking: true }] },
    ]);
  });
});

test('--check examines the named Codex and home', async ({ codex, commandEnv }) => {
  const args = ['--check', '--codex', SCRIPT_STUB, '--codex-home', codex.home];
  const env = { ...MISSING, CODEX_HOME: '/nowhere', PATH: commandEnv.env['PATH'] ?? '' };
  expect(await run(commandEnv, args, { env })).toMatchObject({ code: 0 });
});

describe('the name of a provider', () => {
  test.for([
    ['a property of every object', 'constructor'],
    ['an option of the API', 'model'],
  ])('is printed unchanged if it is that of %s', async ([, name], { codex, commandEnv }) => {
    await codex.config(`model_provider = "${name}"\n[model_providers.${name}]\nname = "x"\n`);
    const { stdout } = await run(commandEnv, ['--check']);
    expect(stdout.toString()).toContain(`the model provider \`${name}\``);
  });
});

describe('--check --quota', () => {
  const RESETS_AT = Date.UTC(2031, 4, 6, 7, 8) / 1000;
  const WEEK = { usedPercent: 100, windowDurationMins: 10_080, resetsAt: null };
  const RATE_LIMITS = {
    limitId: 'codex',
    primary: { usedPercent: 42.4, windowDurationMins: 300, resetsAt: RESETS_AT },
    secondary: WEEK,
    credits: { hasCredits: false, unlimited: false, balance: '0' },
    planType: 'plus',
    rateLimitReachedType: 'rate_limit_reached',
  };
  const OTHER = { limitId: 'x', limitName: 'A model', primary: { usedPercent: 7 } };
  const appServer = {
    result: { rateLimits: RATE_LIMITS, rateLimitsByLimitId: { codex: RATE_LIMITS, x: OTHER } },
  };

  test('prints a line for each limit, with its local reset time', async ({ codex, commandEnv }) => {
    await codex.play({ exec: [], appServer });
    const env = { TZ: 'Asia/Tokyo' };
    const { code, stdout } = await run(commandEnv, ['--check', '--quota'], { env });
    // A limit that is used up does not keep the machine from being ready.
    expect(code).toBe(0);
    expect(stdout.toString().split('\n').slice(4)).toEqual([
      '  Plan        plus',
      '  Quota       58 % left of 5 hours, resets at 2031-05-06 16:08',
      '  Quota       0 % left of 7 days',
      '  Quota       93 % left for A model',
      '  Credits     none',
      '  Reached     rate_limit_reached',
      '',
    ]);
  });

  test('prints the object with --json', async ({ codex, commandEnv }) => {
    await codex.play({ exec: [], appServer });
    const [readiness] = events(await run(commandEnv, ['--check', '--quota', '--json']));
    expect(readiness).toMatchObject({
      type: 'readiness',
      ready: true,
      quota: {
        plan: 'plus',
        limits: [{ resetsAt: '2031-05-06T07:08:00.000Z' }, { usedPercent: 100 }, { id: 'x' }],
      },
    });
  });

  test('prints why the quota is unknown', async ({ codex, commandEnv }) => {
    await codex.play({ exec: [] });
    const { code, stdout } = await run(commandEnv, ['--check', '--quota']);
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/^ {2}Quota {7}unknown: This version .* Update Codex\.$/m);
  });

  test('is not asked for by --check alone', async ({ codex, commandEnv }) => {
    await codex.play({ exec: [], appServer });
    const { stdout } = await run(commandEnv, ['--check']);
    expect(stdout.toString()).not.toContain('Quota');
    const commands = (await codex.recordings()).map(({ args }) => args[0]);
    expect(commands).not.toContain('app-server');
  });
});
