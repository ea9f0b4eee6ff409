// Every failure has its exit code, and is printed as one sentence with its code.

import { describe, expect } from 'vitest';

import { explain, unwritable } from '../../bin/failure.mjs';
import { run, test } from '../support/cli/command.js';
import { CODEX_IS_INSTALLED, directories, NOWHERE } from '../support/platform.js';
import { png } from '../support/image/small-png.js';
import { HANG, print, save, say, turn, turnFailed } from '../support/stub/steps.js';
import type { StubScript, Step } from '../support/stub/stub-script.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';

function failed(message: string): Step[] {
  return [...turn(turnFailed(message)), { do: 'exit', code: 1 }];
}

/** Logged when the image tool gets an HTTP error: the body is JSON inside a Rust string. */
function toolError(status: string, error: object): Step {
  const body = JSON.stringify(JSON.stringify({ error }));
  return print(
    'stderr',
    '2026-06-01T12:00:00.123456Z ERROR codex_core::tools::router: error=image generation failed: ' +
      `http ${status}: Some(${body})\n`,
  );
}

const MODERATION = { type: 'image_generation_user_error', code: 'moderation_blocked' };
const TOO_MANY = { type: 'requests', code: 'rate_limit_exceeded', message: 'Rate limit reached.' };

interface Case {
  code: string;
  exit: number;
  script?: StubScript | Step[];
  args?: string[];
  env?: Record<string, string>;
  login?: object | null;
  config?: string;
}

describe.for<Case>([
  { code: 'NO_IMAGE', exit: 65, script: turn() },
  { code: 'INVALID_IMAGE', exit: 65, script: turn(save('workspace', Buffer.from('<svg/>'))) },
  { code: 'SAFETY_REJECTED', exit: 65, script: turn(toolError('400 Bad Request', MODERATION)) },
  {
    code: 'IMAGE_TOO_LARGE',
    exit: 65,
    script: turn({ do: 'plant', what: 'sparse file', where: 'workspace' }),
  },
  { code: 'CODEX_NOT_FOUND', exit: 69, args: ['--codex', '/nowhere/codex'] },
  ...(CODEX_IS_INSTALLED
    ? []
    : [{ code: 'CODEX_NOT_FOUND', exit: 69, env: { CODEX_BIN: '', PATH: '/nowhere' } } as const]),
  {
    code: 'NOT_SIGNED_IN',
    exit: 69,
    login: null,
    script: { login: { text: 'Not logged in', exitCode: 1 }, exec: [] },
  },
  { code: 'API_KEY_LOGIN', exit: 69, login: { auth_mode: 'apikey', OPENAI_API_KEY: 'sk-x' } },
  {
    code: 'IMAGE_GEN_UNAVAILABLE',
    exit: 69,
    config:
      'model_provider = "mine"\n[model_providers.mine]\nname = "mine"\nbase_url = "http://127.0.0.1:9"\n',
  },
  { code: 'CODEX_FAILED', exit: 70, script: failed('the dog ate it') },
  { code: 'WORKSPACE_FAILED', exit: 73, env: directories('/nobody', '/nowhere') },
  { code: 'USAGE_LIMIT', exit: 75, script: failed("You've hit your usage limit.") },
  { code: 'RATE_LIMITED', exit: 75, script: turn(toolError('429 Too Many Requests', TOO_MANY)) },
  {
    code: 'BACKEND_ERROR',
    exit: 75,
    script: failed('unexpected status 503 Service Unavailable: {}'),
  },
  { code: 'TIMEOUT', exit: 75, script: turn(HANG), args: ['--timeout', '500ms'] },
])(
  'a call that fails with $code',
  ({ code, exit, script = turn(save('store', png())), ...rest }) => {
    test('exits with its code and prints one sentence', async ({ codex, commandEnv }) => {
      await codex.play(script);
      if (rest.login !== undefined) await codex.login(rest.login);
      if (rest.config !== undefined) await codex.config(rest.config);
      // The stub is found by PATH.
      const outcome = await run(commandEnv, ['a fox', '-q', ...(rest.args ?? [])], {
        env: rest.env ?? {},
      });
      expect(outcome).toMatchObject({ code: exit, signal: null });
      expect(outcome.stdout.toString()).toBe('');
      const [told, more] = outcome.stderr.split('\n');
      expect(told).toMatch(
        new RegExp(
          `^codex-image: [A-Z].*\\. \\[${code}\\]$|^codex-image: codex image_gen.*\\[${code}\\]$`,
        ),
      );
      expect(told).not.toMatch(/codexPath|timeoutMs|referenceImages/);
      expect(more).toBeOneOf(['', '--verbose shows more.']);
    });
  },
);

test.skipIf(CODEX_IS_INSTALLED)(
  'CODEX_NOT_FOUND names the option for the path',
  async ({ commandEnv }) => {
    const env = { CODEX_BIN: '', PATH: '/nowhere' };
    expect((await run(commandEnv, ['a fox'], { env })).stderr).toContain(
      'say where it is with --codex.',
    );
    const args = ['a fox', '--codex', '/nowhere'];
    expect(
      (await run({ ...commandEnv, env: { ...commandEnv.env, CODEX_BIN: SCRIPT_STUB } }, args))
        .stderr,
    ).toContain('The chosen Codex CLI cannot be run');
  },
);

test('a message has one full stop, even if its reason has one', () => {
  const { message } = explain(new Error('It broke.'));
  expect(message).toBe('codex-image failed internally: It broke. Please report this.');
  const refused = explain(unwritable('fox.png', new Error('The stream was closed.')));
  expect(refused.message).toBe('fox.png cannot be written: The stream was closed.');
});

test('a recovery without an image names the home in which it looked', async ({ commandEnv }) => {
  const args = ['--recover', '0199d2c4-aaaa-7000-8000-0123456789ab', '--codex-home', NOWHERE];
  const { code, stderr } = await run(commandEnv, args);
  expect(code).toBe(65);
  expect(stderr).toContain(`--codex-home is “${NOWHERE}”. [NO_IMAGE]`);
});

describe('the output of a failure', () => {
  const DISGUISE =
    // oxlint-disable-next-line no-control-regex
    /[\0-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]|[\u{e0000}-\u{e007f}]/u;
  const disguised = 'a\u202e\x1b[31mb\x9b32m\u200b\u{e0041}\u2066c';

  test('has no terminal codes of Codex', async ({ codex, commandEnv }) => {
    await codex.play([...turn(say(disguised), turnFailed(disguised)), { do: 'exit', code: 1 }]);
    const { stderr } = await run(commandEnv, ['a fox', '--verbose']);
    expect(stderr).toMatch(/codex: abc\n/);
    expect(stderr).not.toMatch(DISGUISE);
  });

  test('has no terminal codes of the arguments', async ({ commandEnv }) => {
    const { stderr } = await run(commandEnv, ['--check', disguised]);
    expect(stderr).toContain('takes no prompt');
    expect(stderr).not.toMatch(DISGUISE);
  });

  test('has the same text as JSON', async ({ commandEnv }) => {
    const { stdout } = await run(commandEnv, ['--json', '--check', disguised]);
    const text = stdout.toString();
    expect(text).not.toMatch(DISGUISE);
    expect((JSON.parse(text) as { message: string }).message).toContain(disguised);
  });
});
