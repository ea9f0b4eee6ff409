// Why there is no image: every way in which a backend, a login, a configuration or an agent makes
// the real Codex CLI fail, with each supported version.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { describe } from 'vitest';

import {
  type CodexImageErrorCode,
  type GenerateOptions,
  setMaxConcurrentRuns,
} from '../../../index.js';
import {
  copy,
  draw,
  fail,
  type HomeOptions,
  type HttpFailure,
  moderationBlocked,
  notFound,
  rateLimited,
  say,
  serverError,
  shell,
  type Step,
  unauthorized,
  unavailable,
  usageLimit,
} from '../../support/loopback/backend.js';
import { PICTURE, test } from '../../support/real/real.js';
import { failure } from '../../support/call/outcome.js';
import { VERSIONS } from './versions.js';

// As many as vitest runs concurrently. They mostly wait before they try again.
setMaxConcurrentRuns(5);

interface Expected {
  code: CodexImageErrorCode;
  retryable: boolean;
  resetsAt?: Date | undefined;
  /** What `detail` quotes. Undefined if Codex did not run. */
  told?: RegExp;
  /** What the message says, for codes with several messages. */
  says?: RegExp;
}

interface Cause {
  what: string;
  script?: readonly Step[];
  options?: Partial<GenerateOptions>;
  home?: HomeOptions;
  expected: Expected;
  /** What differs with OpenAI's hosted tool. */
  hosted?: Partial<Expected>;
  /** A version that reports another cause. */
  except?: string;
  /** Takes half a minute: only the oldest and the newest version run it. */
  slow?: true;
}

const SORRY = say('I tried to draw it with the built-in tool, but the call failed.');
const SOON = usageLimit(90 * 60);
const LATER = usageLimit(3 * 24 * 60 * 60);
/** Codex takes long to give up. */
const TIMEOUT = { timeoutMs: 120_000 };
const NOWHERE = 'https://127.0.0.1:1/backend-api';
const INVALID_REQUEST = refusal(400, 'invalid_request_error', null, 'Unknown parameter: flux.');
const FLAGGED =
  'Invalid prompt: your prompt was flagged as potentially violating our usage policy. ' +
  'Please try again with a different prompt.';

/** The backend's answer, or its event within a message, with that type and code. */
function refusal(
  status: number,
  type: string | null,
  code: string | null,
  message: string,
): HttpFailure {
  return { status, body: { error: { type, code, message, param: null } } };
}

/** The answer to a model call whose header names the reached limit. */
function reached(limit: string): HttpFailure {
  return {
    ...refusal(429, 'usage_limit_reached', null, 'The usage limit has been reached'),
    headers: { 'x-codex-rate-limit-reached-type': limit },
  };
}

function resetOf({ body }: HttpFailure): Date {
  return new Date(Number('error' in body && body.error['resets_at']) * 1000);
}

/** Rounded to the minute, like Codex's sentence. */
function minuteOf(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 60_000) * 60_000);
}

const CAUSES: readonly Cause[] = [
  {
    what: 'the usage limit, at the image call',
    script: [draw({ failure: SOON }), SORRY],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      resetsAt: resetOf(SOON),
      told: /http 429 .*usage_limit_reached/,
    },
    hosted: { resetsAt: undefined, told: /stream disconnected .*usage limit has been reached/ },
  },
  {
    what: 'the usage limit, at the model call',
    script: [fail(SOON)],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      resetsAt: minuteOf(resetOf(SOON)),
      told: /hit your usage limit/,
    },
  },
  {
    what: 'the usage limit, for days',
    script: [fail(LATER)],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      resetsAt: minuteOf(resetOf(LATER)),
      told: /try again at \w+ \d+\w\w, \d{4} /,
    },
  },
  {
    what: 'a workspace without credits, at the model call',
    script: [fail(reached('workspace_member_credits_depleted'))],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      told: /workspace is out of credits/,
      says: /out of credits\. Add credits/,
    },
    // It reports the limit of the plan.
    except: '0.132.0',
  },
  {
    what: 'a spend cap that is reached, at the model call',
    script: [fail(reached('workspace_owner_usage_limit_reached'))],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      told: /hit your spend cap/,
      says: /spend cap/,
    },
    // It reports the limit of the plan.
    except: '0.132.0',
  },
  {
    what: 'a balance that is used up, at the image call',
    script: [
      draw({ failure: refusal(403, null, 'INSUFFICIENT_BALANCE', 'Insufficient balance') }),
      SORRY,
    ],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      told: /http 403 .*INSUFFICIENT_BALANCE/,
      says: /plan and billing/,
    },
    hosted: { told: /stream disconnected .*Insufficient balance/ },
  },
  {
    what: 'the hard limit of the billing, at the image call',
    script: [
      draw({
        failure: refusal(
          402,
          'billing_limit_user_error',
          'billing_hard_limit_reached',
          'Billing hard limit has been reached.',
        ),
      }),
      SORRY,
    ],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      told: /http 402 .*billing_hard_limit/,
      says: /plan and billing/,
    },
    hosted: { told: /stream disconnected .*Billing hard limit/ },
  },
  {
    what: 'HTTP 402 of the model call',
    script: [fail(refusal(402, null, null, 'Payment required.'))],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      told: /unexpected status 402/,
      says: /plan and billing/,
    },
  },
  {
    what: 'a workspace that was deactivated, at the model call',
    script: [
      fail(refusal(402, null, 'deactivated_workspace', 'This workspace has been deactivated.')),
    ],
    expected: {
      code: 'NOT_SIGNED_IN',
      retryable: false,
      told: /unexpected status 402/,
      says: /deactivated.*codex login/,
    },
  },
  {
    what: 'a quota that is used up, in the middle of a message',
    script: [
      say('I draw it now.'),
      fail(refusal(429, 'insufficient_quota', 'insufficient_quota', 'You exceeded your quota.')),
    ],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      told: /Quota exceeded/,
      says: /plan and billing/,
    },
  },
  {
    what: 'a plan without Codex, in the middle of a message',
    script: [
      say('I draw it now.'),
      fail(refusal(429, 'usage_not_included', 'usage_not_included', 'Not included.')),
    ],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      told: /upgrade to Plus/,
      says: /does not include Codex/,
    },
  },
  {
    what: 'a plan without Codex, at the model call',
    script: [fail(refusal(429, 'usage_not_included', null, 'Not included.'))],
    expected: {
      code: 'USAGE_LIMIT',
      retryable: false,
      told: /upgrade to Plus/,
      says: /does not include Codex/,
    },
  },
  {
    what: 'too many image calls',
    script: [draw({ failure: rateLimited }), SORRY],
    expected: { code: 'RATE_LIMITED', retryable: true, told: /http 429 .*rate_limit_exceeded/ },
    hosted: { told: /stream disconnected .*Rate limit reached/ },
  },
  {
    what: 'too many model calls',
    script: [fail(rateLimited)],
    expected: { code: 'RATE_LIMITED', retryable: true, told: /last status: 429/ },
  },
  {
    what: 'the safety system, at the image call',
    script: [draw({ failure: moderationBlocked }), SORRY],
    expected: { code: 'SAFETY_REJECTED', retryable: false, told: /http 400 .*moderation_blocked/ },
    hosted: { told: /stream disconnected .*rejected by the safety system/ },
  },
  {
    what: 'the safety system, at the model call',
    script: [fail(moderationBlocked)],
    expected: { code: 'SAFETY_REJECTED', retryable: false, told: /codex: .*moderation_blocked/ },
  },
  {
    what: 'the safety system, in the middle of a message',
    script: [say('I draw it now.'), fail(moderationBlocked)],
    expected: { code: 'SAFETY_REJECTED', retryable: false, told: /rejected by the safety system/ },
  },
  {
    what: 'a prompt that is flagged, at the model call',
    script: [fail(refusal(400, 'invalid_request_error', 'invalid_prompt', FLAGGED))],
    expected: { code: 'SAFETY_REJECTED', retryable: false, told: /your prompt was flagged/ },
  },
  {
    what: 'a request that is taken for an attack, in the middle of a message',
    script: [
      say('I draw it now.'),
      fail(
        refusal(
          400,
          'invalid_request',
          'cyber_policy',
          'This content was flagged for possible cybersecurity risk.',
        ),
      ),
    ],
    expected: { code: 'SAFETY_REJECTED', retryable: false, told: /cybersecurity risk/ },
    slow: true,
  },
  {
    what: 'a model at capacity, at the model call',
    script: [fail(refusal(503, 'server_error', 'server_is_overloaded', 'Overloaded.'))],
    expected: {
      code: 'BACKEND_ERROR',
      retryable: true,
      told: /Selected model is at capacity/,
      says: /at capacity.*Try again later/,
    },
  },
  {
    what: 'a model at capacity, in the middle of a message',
    script: [
      say('I draw it now.'),
      fail(refusal(503, 'server_error', 'server_is_overloaded', 'Overloaded.')),
    ],
    expected: {
      code: 'BACKEND_ERROR',
      retryable: true,
      told: /Selected model is at capacity/,
      says: /at capacity.*Try again later/,
    },
  },
  {
    what: 'HTTP 503 of the image call',
    script: [draw({ failure: refusal(503, 'server_error', null, 'Unavailable.') }), SORRY],
    expected: { code: 'BACKEND_ERROR', retryable: true, told: /http 503 / },
    hosted: { told: /stream disconnected .*Unavailable/ },
  },
  {
    what: 'HTTP 403 of the image call',
    script: [draw({ failure: refusal(403, null, null, 'Forbidden.') }), SORRY],
    expected: {
      code: 'BACKEND_ERROR',
      retryable: false,
      told: /http 403 /,
      says: /HTTP 403: access is denied/,
    },
    hosted: { retryable: true, told: /stream disconnected .*Forbidden/, says: /no connection/ },
  },
  {
    what: 'HTTP 500 of the image call',
    script: [draw({ failure: serverError }), SORRY],
    expected: { code: 'BACKEND_ERROR', retryable: true, told: /http 500 .*server_error/ },
    hosted: { told: /stream disconnected .*server had an error/ },
  },
  {
    what: 'HTTP 500 of the model call',
    script: [fail(serverError)],
    expected: { code: 'BACKEND_ERROR', retryable: true, told: /experiencing high demand/ },
    slow: true,
  },
  {
    what: 'HTTP 404 of the image call',
    script: [draw({ failure: notFound }), SORRY],
    expected: { code: 'BACKEND_ERROR', retryable: false, told: /http 404 / },
    // Codex repeats the message alone, which does not show that it is a refusal.
    hosted: { retryable: true, told: /stream disconnected .*Not Found/ },
  },
  {
    what: 'HTTP 404 of the model call',
    script: [fail(notFound)],
    expected: { code: 'BACKEND_ERROR', retryable: false, told: /unexpected status 404/ },
  },
  {
    what: 'an image call that is cut off',
    script: [draw({ failure: 'disconnect' }), SORRY],
    expected: { code: 'BACKEND_ERROR', retryable: true, told: /network error: error sending/ },
    hosted: { told: /stream disconnected .*network error/ },
  },
  {
    what: 'a model call that is cut off',
    script: [fail('disconnect')],
    expected: { code: 'BACKEND_ERROR', retryable: true, told: /error sending request/ },
    slow: true,
  },
  {
    what: 'no network',
    options: { config: { chatgpt_base_url: NOWHERE, openai_base_url: `${NOWHERE}/codex` } },
    expected: { code: 'BACKEND_ERROR', retryable: true, told: /Reconnecting\.\.\. / },
    slow: true,
  },
  {
    what: 'a login that has expired, at the image call',
    script: [draw({ failure: unauthorized }), SORRY],
    expected: { code: 'NOT_SIGNED_IN', retryable: false, told: /http 401 .*token_expired/ },
    hosted: { told: /stream disconnected .*authentication token is expired/ },
  },
  {
    what: 'a login that has expired, at the model call',
    script: [fail(unauthorized)],
    expected: { code: 'NOT_SIGNED_IN', retryable: false, told: /could not be refreshed/ },
  },
  {
    what: 'a missing login',
    home: { login: 'none' },
    expected: { code: 'NOT_SIGNED_IN', retryable: false },
  },
  {
    what: 'a login with an API key',
    home: { login: 'api-key' },
    expected: { code: 'API_KEY_LOGIN', retryable: false },
  },
  {
    what: 'a relay without the tool',
    home: { relay: true },
    expected: { code: 'IMAGE_GEN_UNAVAILABLE', retryable: false },
  },
  {
    what: 'an agent that says it has no tool',
    script: [unavailable()],
    expected: { code: 'IMAGE_GEN_UNAVAILABLE', retryable: false, told: /^agent: IMAGE_GEN/m },
  },
  {
    what: 'an agent that only talks',
    script: [say('Imagine a red fox.')],
    expected: { code: 'NO_IMAGE', retryable: true, told: /^agent: Imagine a red fox\./m },
  },
  {
    what: 'a web page instead of an image',
    script: [draw({ image: Buffer.from('<!doctype html>\n<h1>502 Bad Gateway</h1>\n') }), copy()],
    expected: { code: 'INVALID_IMAGE', retryable: true },
  },
  {
    what: 'a broken image from the agent itself',
    script: [shell(String.raw`printf '\211PNG\r\n\032\n' > od-codex-image.png`), say('There.')],
    expected: { code: 'INVALID_IMAGE', retryable: true, told: /^agent: There\./m },
  },
  {
    what: 'an image that is larger than allowed',
    script: [draw({ image: PICTURE }), copy()],
    options: { maxImageBytes: 1000 },
    expected: { code: 'IMAGE_TOO_LARGE', retryable: false },
  },
  {
    what: 'a request that the backend does not understand',
    script: [fail(INVALID_REQUEST)],
    expected: {
      code: 'BACKEND_ERROR',
      retryable: false,
      told: /codex: .*Unknown parameter: flux/,
      says: /HTTP 400: the request is not accepted/,
    },
  },
  {
    what: 'an unknown feature',
    options: { disableFeatures: ['flux_capacitor'] },
    expected: { code: 'CODEX_FAILED', retryable: false, told: /flux_capacitor/ },
  },
  {
    what: 'an undefined model provider',
    options: { config: { model_provider: '"nowhere"' } },
    expected: { code: 'IMAGE_GEN_UNAVAILABLE', retryable: false },
  },
  {
    what: 'an image tool that is switched off',
    home: { config: 'features.image_generation = false' },
    expected: { code: 'IMAGE_GEN_UNAVAILABLE', retryable: false },
  },
  {
    what: 'another method of signing in that is demanded',
    home: { config: 'forced_login_method = "api"' },
    expected: { code: 'NOT_SIGNED_IN', retryable: false },
  },
  {
    what: 'another workspace that is demanded',
    home: { config: 'forced_chatgpt_workspace_id = "theirs"' },
    expected: { code: 'NOT_SIGNED_IN', retryable: false },
  },
  {
    what: 'a keyring without a login',
    home: { config: 'cli_auth_credentials_store = "keyring"' },
    expected: { code: 'NOT_SIGNED_IN', retryable: false },
  },
  {
    what: 'a home that does not exist',
    options: { codexHome: path.join(tmpdir(), 'no-such-codex-home') },
    expected: { code: 'NOT_SIGNED_IN', retryable: false },
  },
  {
    what: 'a config.toml that is none',
    home: { config: 'this is = = not TOML' },
    expected: { code: 'CODEX_FAILED', retryable: false, told: /TOML|key with no value|expected/ },
  },
  {
    what: 'a config.toml with a value of the wrong type',
    home: { config: 'hide_agent_reasoning = "maybe"' },
    expected: { code: 'CODEX_FAILED', retryable: false, told: /invalid type/ },
  },
];

const ENDS = new Set([VERSIONS[0], VERSIONS.at(-1)]);

// Concurrent, so each test has its own `expect`.
describe.concurrent('a cause', () => {
  for (const { what, script = [], options, home, except, slow, expected, hosted } of CAUSES) {
    const versions = VERSIONS.filter(({ name }) => name !== except);
    for (const version of versions.filter((one) => slow !== true || ENDS.has(one))) {
      test(`has its own code: ${what}, ${version.name}`, async ({ real, expect }) => {
        if (home !== undefined) await real.moveTo(home);
        const error = await failure(real.generate(version, script, { ...TIMEOUT, ...options }));
        await real.expectNothingLeft();
        const { told, says, ...rest } = { ...expected, ...(version.hosted && hosted) };
        const { code, retryable, resetsAt, detail = '', message } = error;
        expect({ code, retryable, resetsAt }).toEqual(rest);
        if (told !== undefined) expect(detail).toMatch(told);
        if (says !== undefined) expect(message).toMatch(says);
      });
    }
  }
});

describe.concurrent('a login that cannot be renewed', () => {
  test.for([
    [500, { code: 'BACKEND_ERROR', retryable: true }],
    [400, { code: 'NOT_SIGNED_IN', retryable: false }],
  ] as const)(
    'has its own code after HTTP %i, in the newest version',
    async ([status, expected], { real, expect }) => {
      const version = VERSIONS.at(-1) ?? expect.unreachable('no version');
      const server = createServer((_request, response) => response.writeHead(status).end('{}'));
      await once(server.listen(0, '127.0.0.1'), 'listening');
      try {
        const { port } = server.address() as AddressInfo;
        const renewal = `http://127.0.0.1:${port}/`;
        const env = { ...real.env, CODEX_REFRESH_TOKEN_URL_OVERRIDE: renewal };
        const call = real.generate(version, [fail(unauthorized)], { ...TIMEOUT, env });
        const error = await failure(call);
        await real.expectNothingLeft();
        expect(error).toMatchObject(expected);
        expect(error.detail).toMatch(new RegExp(`Failed to refresh token: ${status}`));
      } finally {
        server.close();
      }
    },
  );
});
