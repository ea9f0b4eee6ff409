// Every way in which Codex fails has its own code, status, and a sentence that is fit for end users.

import { symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inspect } from 'node:util';

import { describe, expect } from 'vitest';

import { type CodexImageError } from '../../index.js';
import { WINDOWS } from '../support/platform.js';
import {
  failure,
  item,
  print,
  say,
  type Step,
  test,
  THREAD,
  turn,
  TURN_STARTED,
  turnFailed,
} from '../support/stub.js';

/** What the real CLI (0.169.0) logs in every run, good or bad, when one of its side requests fails. */
const NOISE = [
  'Reading prompt from stdin...',
  '2026-06-01T12:00:00.101448Z ERROR codex_models_manager::manager: failed to refresh available models: ' +
    'unexpected status 404 Not Found: {}, url: https://127.0.0.1:41923/backend-api/codex/models',
  '2026-06-01T12:00:00.109896Z ERROR rmcp::transport::worker: worker quit with fatal: Transport channel ' +
    'closed, when UnexpectedServerResponse("HTTP 404: {}")',
].join('\n');

/** What it logs when the image tool gets an HTTP error: the body is JSON inside a Rust string. */
function toolError(status: string, body: object): Step {
  const rust = JSON.stringify(JSON.stringify(body));
  return print(
    'stderr',
    `${NOISE}\n2026-06-01T12:00:00.123456Z ERROR codex_core::tools::router: ` +
      `error=image generation failed: http ${status}: Some(${rust})\n`,
  );
}

const usageLimit = (resets: { resets_at?: unknown; resets_in_seconds?: unknown }) => ({
  error: {
    type: 'usage_limit_reached',
    code: null,
    message: 'The usage limit has been reached',
    plan_type: 'plus',
    ...resets,
  },
});

const MODERATION = {
  error: {
    type: 'image_generation_user_error',
    code: 'moderation_blocked',
    message: 'Your request was rejected by the safety system. safety_violations=[violence].',
    param: null,
  },
};

function failedTurn(message: string): Step[] {
  return [
    THREAD,
    TURN_STARTED,
    { do: 'emit', event: { type: 'error', message } },
    turnFailed(message),
    { do: 'exit', code: 1 },
  ];
}

interface Expected {
  code: string;
  status: number;
  retryable: boolean;
  message: RegExp;
}

const USAGE_LIMIT = {
  code: 'USAGE_LIMIT',
  status: 429,
  retryable: false,
  message: /resets on a rolling window/,
};
/** What only money or an administrator brings back, and time does not. */
const exhausted = (message: RegExp): Expected => ({
  ...USAGE_LIMIT,
  message: new RegExp(`^(?!.*rolling window).*${message.source}`),
});
const RATE_LIMITED = { code: 'RATE_LIMITED', status: 429, retryable: true, message: /rate/ };
const SAFETY = { code: 'SAFETY_REJECTED', status: 422, retryable: false, message: /safety/ };
const BACKEND = { code: 'BACKEND_ERROR', status: 502, retryable: true, message: /backend/ };
const REFUSED = {
  ...BACKEND,
  retryable: false,
  message: /^(?!.*again later).*backend.*HTTP 4\d\d: \w/,
};
const NOT_SIGNED_IN = {
  code: 'NOT_SIGNED_IN',
  status: 401,
  retryable: false,
  message: /not signed in.*codex login/i,
};
const UNAVAILABLE = {
  code: 'IMAGE_GEN_UNAVAILABLE',
  status: 501,
  retryable: false,
  message: /image_gen tool is unavailable/,
};
const NO_IMAGE = {
  code: 'NO_IMAGE',
  status: 502,
  retryable: true,
  message: /no image at the requested path/,
};
const failedWith = (end: string) => ({
  code: 'CODEX_FAILED',
  status: 502,
  retryable: false,
  message: new RegExp(`codex image_gen exited ${end}\\b`),
});

describe('each cause has its own code', () => {
  test.for<[what: string, steps: Step[], expected: Expected]>([
    [
      'usage limit of the tool',
      turn(toolError('429 Too Many Requests', usageLimit({ resets_in_seconds: 5400 }))),
      USAGE_LIMIT,
    ],
    [
      'usage limit of the turn, 0.132.0',
      failedTurn(
        "You've hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro), visit " +
          'https://chatgpt.com/codex/settings/usage to purchase more credits or try again at 12:12 PM.',
      ),
      USAGE_LIMIT,
    ],
    [
      'usage limit of the turn, 0.169.0',
      failedTurn(
        'You’ve hit your usage limit. Upgrade to Pro (https://chatgpt.com/explore/pro), visit ' +
          'https://chatgpt.com/settings/usage to purchase more credits or try again at 12:12 PM.',
      ),
      USAGE_LIMIT,
    ],
    [
      'too many requests of the tool',
      turn(
        toolError('429 Too Many Requests', {
          error: {
            type: 'requests',
            code: 'rate_limit_exceeded',
            message: 'Rate limit reached for gpt-image on images per min. Please try again in 1s.',
            param: null,
          },
        }),
      ),
      RATE_LIMITED,
    ],
    [
      'too many requests of the turn',
      failedTurn('exceeded retry limit, last status: 429 Too Many Requests'),
      RATE_LIMITED,
    ],
    ['moderation of the tool', turn(toolError('400 Bad Request', MODERATION)), SAFETY],
    ['moderation of the turn', failedTurn(JSON.stringify(MODERATION)), SAFETY],
    [
      'HTTP 500 of the tool',
      turn(toolError('500 Internal Server Error', { error: { type: 'server_error', code: null } })),
      BACKEND,
    ],
    [
      'HTTP 500 of the tool, without a body',
      turn(
        print(
          'stderr',
          'ERROR codex_core::tools::router: error=image generation failed: http 500 Internal Server Error: None\n',
        ),
      ),
      BACKEND,
    ],
    [
      'HTTP 500 of the turn, 0.132.0',
      failedTurn("We're currently experiencing high demand, which may cause temporary errors."),
      BACKEND,
    ],
    [
      'HTTP 500 of the turn, 0.169.0',
      failedTurn('We’re currently experiencing high demand, which may cause temporary errors.'),
      BACKEND,
    ],
    [
      'no connection',
      failedTurn(
        'stream disconnected before completion: error sending request for url ' +
          '(https://127.0.0.1:42085/backend-api/codex/responses)',
      ),
      BACKEND,
    ],
    [
      'a login that has expired',
      failedTurn(
        'Your access token could not be refreshed because your refresh token has expired. ' +
          'Please log out and sign in again.',
      ),
      NOT_SIGNED_IN,
    ],
    [
      'no login, after many attempts',
      failedTurn(
        'unexpected status 401 Unauthorized: Missing bearer or basic authentication in header, ' +
          'url: https://127.0.0.1:40529/backend-api/codex/responses',
      ),
      NOT_SIGNED_IN,
    ],
    [
      'a login that the tool finds expired',
      turn(
        toolError('401 Unauthorized', {
          error: { type: null, code: 'token_expired', message: 'Provided token is expired.' },
        }),
      ),
      NOT_SIGNED_IN,
    ],
    [
      'usage limit of the hosted tool, 0.132.0',
      failedTurn('stream disconnected before completion: The usage limit has been reached'),
      USAGE_LIMIT,
    ],
    [
      'moderation of the hosted tool, 0.132.0',
      failedTurn(
        'stream disconnected before completion: Your request was rejected by the safety system. ' +
          'safety_violations=[violence].',
      ),
      SAFETY,
    ],
    [
      'no network for the tool',
      turn(
        print(
          'stderr',
          'ERROR codex_core::tools::router: error=image generation failed: network error: error sending request\n',
        ),
      ),
      BACKEND,
    ],
    ['no network at all, 0.169.0', failedTurn('workspace routing discovery failed'), BACKEND],
    ['HTTP 404 of the tool', turn(toolError('404 Not Found', { detail: 'Not Found' })), REFUSED],
    ['HTTP 403 of the turn', failedTurn('unexpected status 403 Forbidden: x, url: x'), REFUSED],
    ['HTTP 400 of the turn', failedTurn('{"error":{"message":"Unknown parameter."}}'), REFUSED],
    ['HTTP 408 of the turn', failedTurn('unexpected status 408 Request Timeout: x'), BACKEND],
    ['HTTP 425 of the tool', turn(toolError('425 Too Early', {})), BACKEND],
    [
      'a workspace without credits',
      failedTurn('Your workspace is out of credits. Add credits to continue.'),
      exhausted(/out of credits. Add credits/),
    ],
    [
      'a spend cap',
      failedTurn(
        'You hit your spend cap set in your workspace. Increase your spend cap to continue.',
      ),
      exhausted(/spend cap.*Raise it/),
    ],
    [
      'a quota',
      failedTurn('Quota exceeded. Check your plan and billing details.'),
      exhausted(/plan and billing/),
    ],
    [
      'a plan without Codex',
      failedTurn(
        'To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus.',
      ),
      exhausted(/does not include Codex. Upgrade/),
    ],
    ['HTTP 402 of the tool', turn(toolError('402 Payment Required', {})), exhausted(/billing/)],
    [
      'a balance, which is told without an error around it',
      turn(toolError('403 Forbidden', { code: 'INSUFFICIENT_BALANCE', message: 'x' })),
      exhausted(/billing/),
    ],
    [
      'a hard limit of the billing',
      turn(
        toolError('400 Bad Request', {
          error: { type: 'billing_limit_user_error', code: 'billing_hard_limit_reached' },
        }),
      ),
      exhausted(/billing/),
    ],
    ['too many requests, 0.169.0', failedTurn('rate limit exceeded: Slow down'), RATE_LIMITED],
    [
      'a model at capacity',
      failedTurn('Selected model is at capacity. Please try a different model.'),
      { ...BACKEND, message: /backend.*at capacity.*Try again later/ },
    ],
    [
      'a request that is taken for an attack',
      failedTurn(
        'This content was flagged for possible cybersecurity risk. If this seems wrong, …',
      ),
      SAFETY,
    ],
    [
      'a prompt that is flagged',
      failedTurn(
        'Invalid prompt: your prompt was flagged as potentially violating our usage policy.',
      ),
      SAFETY,
    ],
    [
      'a login that cannot be renewed at this moment',
      failedTurn('Failed to refresh token: 500 Internal Server Error: upstream error'),
      BACKEND,
    ],
    [
      'an account that was deactivated',
      failedTurn(
        'unexpected status 401 Unauthorized: Your OpenAI account has been deactivated, ' +
          'please check your email for more information.',
      ),
      { ...NOT_SIGNED_IN, message: /not signed in.*deactivated.*codex login/i },
    ],
    [
      'a code that is a number, beside a type',
      turn(
        toolError('429 Too Many Requests', { error: { type: 'usage_limit_reached', code: 429 } }),
      ),
      USAGE_LIMIT,
    ],
    [
      'no turn, and the cause on the last line of stderr',
      [
        print('stderr', "Reading prompt from stdin...\nERROR: You've hit your usage limit.\n"),
        { do: 'exit', code: 1 },
      ],
      USAGE_LIMIT,
    ],
    [
      'no turn, and a request beside it that failed',
      [print('stderr', `${NOISE}\n`), { do: 'exit', code: 1 }],
      failedWith('exit 1'),
    ],
    ['the agent has no tool', turn(say('IMAGE_GEN_UNAVAILABLE')), UNAVAILABLE],
    [
      'the agent has no tool and says more',
      turn(say('I looked everywhere.\n\n  IMAGE_GEN_UNAVAILABLE\n')),
      UNAVAILABLE,
    ],
    [
      'the CLI has no tool',
      turn(
        print(
          'stderr',
          'ERROR codex_core::tools::router: error=unsupported call: image_gen.imagegen\n',
        ),
      ),
      UNAVAILABLE,
    ],
    ['no image', turn(say('Here is your fox!')), NO_IMAGE],
    [
      'no image, and the word for a missing tool only in passing',
      turn(say('I was told to reply IMAGE_GEN_UNAVAILABLE if I had no tool. I have.')),
      NO_IMAGE,
    ],
    ['no image, and errors that occur in every run', turn(print('stderr', NOISE)), NO_IMAGE],
    ['nothing at all', [], NO_IMAGE],
    ['exit 1', [THREAD, { do: 'exit', code: 1 }], failedWith('exit 1')],
    ['exit 101', [{ do: 'exit', code: 101 }], failedWith('exit 101')],
    [
      'a turn that failed for a reason nobody knows',
      failedTurn('the flux capacitor is empty'),
      failedWith('exit 1'),
    ],
    [
      'an argument the CLI does not know',
      [print('stderr', "error: unexpected argument '--json' found\n"), { do: 'exit', code: 2 }],
      failedWith('exit 2'),
    ],
    [
      'a configuration that does not parse',
      [
        print('stderr', 'Error loading config.toml: TOML parse error at line 1, column 9\n'),
        { do: 'exit', code: 1 },
      ],
      failedWith('exit 1'),
    ],
    [
      'a feature that this version does not know',
      [print('stderr', 'Error: Unknown feature flag: plugins\n'), { do: 'exit', code: 1 }],
      failedWith('exit 1'),
    ],
    [
      'SIGKILL, as from the OOM killer',
      [{ do: 'die', of: 'SIGKILL' }],
      // As TerminateProcess is told by Node.
      failedWith(WINDOWS ? 'exit 1' : 'signal SIGKILL'),
    ],
  ])('%s', async ([, steps, { message, ...expected }], { codex }) => {
    const error = await failure(codex.generate(steps));
    expect(error).toMatchObject(expected);
    expect(error.message).toMatch(message);
    expectFitForEndUsers(error);
  });

  // Windows has no signals.
  test.skipIf(WINDOWS)('SIGSEGV', async ({ codex }) => {
    const error = await failure(codex.generate([THREAD, { do: 'die', of: 'SIGSEGV' }]));
    const { message, ...expected } = failedWith('signal SIGSEGV');
    expect(error).toMatchObject(expected);
    expect(error.message).toMatch(message);
    expectFitForEndUsers(error);
  });

  /** The message reaches end users as it is. */
  function expectFitForEndUsers({ message }: CodexImageError): void {
    expect(message).not.toMatch(/[\n\r]/);
    expect(message).not.toMatch(/(^|[\s('"`])(\/|~\/|[A-Z]:\\)/);
    expect(message).not.toContain('ERROR');
    expect(message.length).toBeLessThanOrEqual(300);
  }
});

describe('what is known besides', () => {
  test('exitCode', async ({ codex }) => {
    const error = await failure(codex.generate([{ do: 'exit', code: 7 }]));
    expect(error).toMatchObject({ exitCode: 7 });
    expect(error).not.toHaveProperty('signal');
  });

  // Windows has none.
  test.skipIf(WINDOWS)('signal', async ({ codex }) => {
    const error = await failure(codex.generate([{ do: 'die', of: 'SIGSEGV' }]));
    expect(error).toMatchObject({ signal: 'SIGSEGV' });
    expect(error).not.toHaveProperty('exitCode');
  });

  test('threadId', async ({ codex }) => {
    const { threadId } = await failure(codex.generate(turn()));
    expect(threadId).toBe((await codex.turn()).threadId);
  });

  test('no threadId where no thread was started', async ({ codex }) => {
    expect(await failure(codex.generate([]))).not.toHaveProperty('threadId');
  });

  test("detail: Codex's last words on stderr, and the agent's", async ({ codex }) => {
    const steps = turn(say('I would rather not.'), print('stderr', 'something went quite wrong\n'));
    const { detail } = await failure(codex.generate(steps));
    expect(detail).toContain('I would rather not.');
    expect(detail).toContain('something went quite wrong');
  });

  test('NO_IMAGE says that nothing was drawn, and detail has the words', async ({ codex }) => {
    const words = 'What colour should the fox be?';
    const { code, message, detail } = await failure(codex.generate(turn(say(words))));
    expect(code).toBe('NO_IMAGE');
    expect(message).toMatch(/answered without drawing/);
    expect(message).not.toContain(words);
    expect(detail).toContain(words);
  });

  test('detail: what Codex said of its configuration', async ({ codex }) => {
    const words =
      'Error loading config.toml: unknown variant `hihg`, expected one of `low`, `high`';
    const steps = [print('stderr', `${words}\n`), { do: 'exit', code: 1 } as const];
    expect((await failure(codex.generate(steps))).detail).toContain(words);
  });

  test('detail: why the turn failed', async ({ codex }) => {
    const { detail } = await failure(codex.generate(failedTurn('the flux capacitor is empty')));
    expect(detail).toContain('the flux capacitor is empty');
  });

  test('resetsAt, from the seconds that are left', async ({ codex }) => {
    const body = usageLimit({ resets_in_seconds: 3600 });
    const before = Date.now();
    const { resetsAt } = await failure(
      codex.generate(turn(toolError('429 Too Many Requests', body))),
    );
    const after = Date.now();
    expect(resetsAt).toBeInstanceOf(Date);
    // The backend counts in whole seconds.
    expect(resetsAt?.getTime()).toBeGreaterThanOrEqual(before + 3_599_000);
    expect(resetsAt?.getTime()).toBeLessThanOrEqual(after + 3_601_000);
  });

  test('resetsAt, from a moment', async ({ codex }) => {
    const moment = Math.floor(Date.now() / 1000) + 7200;
    const body = usageLimit({ resets_at: moment });
    const { resetsAt } = await failure(
      codex.generate(turn(toolError('429 Too Many Requests', body))),
    );
    expect(resetsAt).toEqual(new Date(moment * 1000));
  });

  test.for<[what: string, resets: unknown]>([
    ['a fraction', 5400.5],
    ['text', '5400'],
    ['negative', -5400],
    ['beyond all dates', 8_640_000_000_001],
    ['larger than a number that JavaScript has', 2 ** 64],
  ])('no resetsAt where the reset is %s', async ([, resets], { codex }) => {
    for (const body of [
      usageLimit({ resets_at: resets }),
      usageLimit({ resets_in_seconds: resets }),
    ]) {
      const error = await failure(codex.generate(turn(toolError('429 Too Many Requests', body))));
      expect(error).toMatchObject({ code: 'USAGE_LIMIT', retryable: false });
      expect(error).not.toHaveProperty('resetsAt');
      expect(error.message).toMatch(/Try again later\.$/);
    }
  });

  test('no resetsAt where the reset is long past', async ({ codex }) => {
    for (const resets of [0, 1_000_000_000]) {
      const body = usageLimit({ resets_at: resets });
      const error = await failure(codex.generate(turn(toolError('429 Too Many Requests', body))));
      expect(error.code).toBe('USAGE_LIMIT');
      expect(error).not.toHaveProperty('resetsAt');
    }
  });

  test("resetsAt, from a sentence in the time zone of Codex's environment", async ({ codex }) => {
    const words = "You've hit your usage limit. Try again at Nov 25th, 2030 9:07 AM.";
    for (const [TZ, resetsAt] of [
      ['Asia/Tokyo', '2030-11-25T00:07:00Z'],
      ['America/New_York', '2030-11-25T14:07:00Z'],
    ] as const) {
      const error = await failure(codex.generate(failedTurn(words), { env: { ...codex.env, TZ } }));
      expect(error.resetsAt).toEqual(new Date(resetsAt));
    }
  });

  test('no resetsAt where nobody said', async ({ codex }) => {
    const body = usageLimit({});
    const error = await failure(codex.generate(turn(toolError('429 Too Many Requests', body))));
    expect(error).not.toHaveProperty('resetsAt');
  });
});

describe('what is only quoted changes no cause', () => {
  const WORDS = [
    "You've hit your usage limit",
    'rate limit exceeded',
    'image generation failed: http 402 Payment Required: None',
    'unsupported call: image_gen.imagegen',
    'failed to spawn code-mode host',
  ];
  const FAILED = turnFailed('the flux capacitor is empty');

  test.for(WORDS)(
    '“%s” in the prompt, from the agent and in an error item',
    async (words, { codex }) => {
      const error = item({ type: 'error', message: `MCP server x: ${words}` });
      const steps = [
        THREAD,
        TURN_STARTED,
        say(words),
        error,
        FAILED,
        { do: 'exit', code: 1 } as const,
      ];
      expect((await failure(codex.generate(steps, { prompt: words }))).code).toBe('CODEX_FAILED');
    },
  );

  test.for(WORDS)('“%s” in a log line that quotes the prompt', async (words, { codex }) => {
    const log = (head: string) => print('stderr', `2026-06-01T12:00:00.123456Z ${head}${words}"\n`);
    for (const head of [
      'TRACE codex_core::codex: Submission { text: "',
      'DEBUG turn{model=x}: codex_core::client: request body="',
      ' INFO codex_rmcp_client: MCP server stderr (x): "',
    ]) {
      const steps = [THREAD, TURN_STARTED, log(head), { do: 'exit', code: 1 } as const];
      expect((await failure(codex.generate(steps))).code).toBe('CODEX_FAILED');
    }
  });
});

describe('the error is one that JavaScript knows', () => {
  test('it is a real Error, but a TypeError only for options', async ({ codex }) => {
    const error = await failure(codex.generate([{ do: 'exit', code: 1 }]));
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(TypeError);
    expect(String(error)).toBe(`CodexImageError: ${error.message}`);
    expect(error.stack).toContain(error.message);
  });

  test('what is not known is absent, not undefined', async ({ codex }) => {
    const error = await failure(codex.generate([{ do: 'exit', code: 1 }]));
    expect(Object.values(error)).not.toContain(undefined);
    expect(Object.values(error)).not.toContain(null);
  });
});

/** Made up, and put together here: what looks like a secret in a file is taken for one. */
function like(prefix: string, part = 'aB3x'): string {
  return prefix + part.repeat(10).slice(0, prefix === 'AKIA' ? 16 : 36);
}

describe('no secret is repeated', () => {
  // Shaped like real ones; the values are made up.
  const JWT =
    'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLW5vLXZhbHVlLWF0LWFsbA';
  test.for<[what: string, text: string, secret: string]>([
    ['an API key', 'Incorrect API key provided: sk-proj-Ab12Cd34Ef56Gh78Ij90', 'Ab12Cd34Ef56'],
    ['a session key', 'using sess-Ab12Cd34Ef56Gh78Ij90', 'Ab12Cd34Ef56'],
    ['a bearer token', 'Authorization: Bearer Ab12Cd34Ef56Gh78Ij90', 'Ab12Cd34Ef56'],
    ['a bearer token in lower case', 'authorization: bearer Ab12Cd34Ef56Gh78Ij90', 'Ab12Cd34Ef56'],
    ['a JWT', `token ${JWT} has expired`, 'eyJzdWIi'],
    ['a refresh token', 'refreshing with rt_Ab12Cd34Ef56Gh78Ij90', 'Ab12Cd34Ef56'],
    ['a proxy password', 'proxy http://user:Ab12Cd34Ef56@127.0.0.1:8080 refused', 'Ab12Cd34Ef56'],
    ['JSON', '{"access_token":"Ab12Cd34Ef56Gh78Ij90","expires_in":1}', 'Ab12Cd34Ef56'],
    ['JSON with spaces', '{ "refresh_token" : "Ab12Cd34Ef56Gh78Ij90" }', 'Ab12Cd34Ef56'],
    ['a list over lines', '"set-cookie": [\n  "a=1",\n  "b=Ab12Cd34Ef56"\n]', 'Ab12Cd34Ef56'],
    ['YAML', 'client_secret: |\n  Ab12Cd34Ef56\nend: 1', 'Ab12Cd34Ef56'],
    ['a pair', '[("authorization", "Bearer Ab12Cd34Ef56")]', 'Ab12Cd34Ef56'],
    ['a name and a value', '{"name":"HF_TOKEN","value":"Ab12Cd34Ef56"}', 'Ab12Cd34Ef56'],
    ['XML', '<SessionToken>Ab12Cd34Ef56</SessionToken>', 'Ab12Cd34Ef56'],
    ['an escaped URL', 'x%3D1%26access_token%3DAb12Cd34Ef56', 'Ab12Cd34Ef56'],
    ['a key behind an escaped break', 'x:\\nsk-proj-Ab12Cd34Ef56Gh78', 'Ab12Cd34Ef56'],
    [
      'JSON in a Rust string',
      String.raw`Some("{\"id_token\":\"Ab12Cd34Ef56Gh78Ij90\"}")`,
      'Ab12Cd34Ef56',
    ],
    ['a form', 'grant=x&client_secret=Ab12Cd34Ef56Gh78Ij90&scope=y', 'Ab12Cd34Ef56'],
    ['a setting', 'api_key = Ab12Cd34Ef56Gh78Ij90', 'Ab12Cd34Ef56'],
    ['a password', 'password: Ab12Cd34Ef56Gh78Ij90', 'Ab12Cd34Ef56'],
    ['the second cookie of a line', 'Cookie: a=1; b=Ab12Cd34Ef56Gh78Ij90', 'Ab12Cd34Ef56'],
    [
      'a digest',
      'Authorization: Digest username="u", realm="r r", response="Ab12Cd34Ef56Gh78Ij90"',
      'Ab12Cd34Ef56',
    ],
    ['a token by its name', 'token=Ab12Cd34Ef56', 'Ab12Cd34Ef56'],
    ['a secret by its name', 'secret: Ab12Cd34Ef56', 'Ab12Cd34Ef56'],
    ['a secret of two words', 'secret: "two Ab12Cd34Ef56"', 'Ab12Cd34Ef56'],
    ['a key id of AWS', `key ${like('AKIA', 'Z9Q7')}`, 'Z9Q7Z9Q7'],
    ['a key of AWS', `aws_secret_access_key = ${like('', 'aB3/')}`, 'aB3/aB3/'],
    ['a token of Slack', `using ${like('xoxb-1-')}`, 'aB3xaB3x'],
    ['a token of GitHub', `using ${like('ghp_')}`, 'aB3xaB3x'],
    ['a token of GitLab', `using ${like('glpat-')}`, 'aB3xaB3x'],
    ['a token of Hugging Face', `using ${like('hf_')}`, 'aB3xaB3x'],
    ['a token of npm', `using ${like('npm_')}`, 'aB3xaB3x'],
    ['an e-mail address', 'user.email="jane.doe@example.org"', 'jane.doe'],
    ['an account', 'user.account_id="Ab12Cd34-Ef56"', 'Ab12Cd34'],
  ])('%s', async ([, text, secret], { codex }) => {
    const line = `before ${text} after\n`;
    const ways: Step[][] = [
      [print('stderr', line)],
      // A write boundary falls into the secret, wherever it is.
      [print('stderr', line, 16)],
      [say(line)],
      [item({ type: 'error', message: line })],
      [turnFailed(line)],
      [toolError('500 Internal Server Error', { error: { message: text } })],
    ];
    for (const way of ways) {
      const error = await failure(codex.generate([THREAD, ...way, { do: 'exit', code: 1 }]));
      expect(everythingIn(error)).not.toContain(secret);
    }
  });

  test('not in colour either', async ({ codex }) => {
    const line = '\x1b[31mBearer\x1b[0m \x1b[1mAb12Cd34Ef56Gh78Ij90\x1b[0m\n';
    const steps = [print('stderr', line), say(line), { do: 'exit', code: 1 } as const];
    expect(everythingIn(await failure(codex.generate(steps)))).not.toContain('Ab12Cd34Ef56');
  });

  test('what is no secret stays readable', async ({ codex }) => {
    const line = 'task-list of sketch 12: the quick brown fox jumped over bearer bonds';
    const { detail } = await failure(
      codex.generate([print('stderr', line), { do: 'exit', code: 1 }]),
    );
    expect(detail).toContain('task-list of sketch 12: the quick brown fox jumped');
  });

  test('detail holds no terminal codes', async ({ codex }) => {
    const steps = [
      print('stderr', '\x1b[1;31mred\x1b[0m\x07\x00 alert\n'),
      { do: 'exit', code: 1 } as const,
    ];
    const { detail = '' } = await failure(codex.generate(steps));
    expect(detail).toContain('red');
    // oxlint-disable-next-line no-control-regex
    expect(detail).not.toMatch(/[\0\x07\x1b]/);
  });

  test('long texts without any stay whole', async ({ codex }) => {
    const harmless = [
      `sha256 ${'0123456789abcdef'.repeat(4)}`,
      'thread 019e5f2a-7c44-7bb0-9d3e-0123456789ab of https://chatgpt.com/backend-api/codex/responses',
      'a long sentence about nothing in particular. '.repeat(100).trim(),
    ];
    const { detail } = await failure(codex.generate(failedTurn(harmless.join('\n'))));
    for (const text of harmless) expect(detail).toContain(text);
  });

  /** All that anyone can see of an error, hidden members included. */
  function everythingIn(error: CodexImageError): string {
    const members = Object.fromEntries(
      Reflect.ownKeys(error).map((key) => [String(key), Reflect.get(error, key)]),
    );
    return JSON.stringify(members) + inspect(error, { depth: null, showHidden: true });
  }
});

describe('detail tells nothing of where the user works', () => {
  test('home and CODEX_HOME', async ({ codex }) => {
    const told = `read ${codex.home}/auth.json, ${codex.user}/.netrc, and ${codex.user}`;
    const steps = [print('stderr', `${told}\n`), say(told), turnFailed(told)];
    const { detail } = await failure(codex.generate([THREAD, ...steps]));
    expect(detail).not.toContain(codex.home);
    expect(detail).not.toContain(codex.user);
    expect(detail?.match(/read CODEX_HOME\/auth\.json, ~\/\.netrc, and ~/g)).toHaveLength(3);
  });

  // What Windows starts is no script.
  test.skipIf(WINDOWS)('the workspace, and a home behind a link', async ({ codex }) => {
    const codexPath = path.join(codex.scratch, 'codex');
    const codexHome = path.join(codex.scratch, 'link');
    await symlink(codex.home, codexHome);
    const script = '#!/bin/sh\necho "at $PWD, $(cd "$CODEX_HOME" && pwd -P)." >&2\nexit 3\n';
    await writeFile(codexPath, script, { mode: 0o755 });
    const { detail } = await failure(codex.generate([], { codexPath, codexHome }));
    expect(detail).toBe('stderr: at the workspace, CODEX_HOME.');
  });
});

test('detail is bounded as a whole, however much longer it becomes when secrets are taken out', async ({
  codex,
}) => {
  const flood = 'password=x\n'.repeat(10_000);
  const steps = [
    print('stderr', flood),
    say(flood),
    turnFailed(flood),
    print('stderr', '\nthe end\n'),
  ];
  const { detail } = await failure(codex.generate([THREAD, ...steps, { do: 'exit', code: 1 }]));
  expect(detail).toMatch(/the end$/);
  expect(detail?.length).toBeLessThanOrEqual(48 * 1024);
});

test('the end of a long line without a break is in detail', async ({ codex }) => {
  const steps: Step[] = [
    print('stderr', `${'word '.repeat(20_000)}the end`),
    { do: 'exit', code: 1 },
  ];
  expect((await failure(codex.generate(steps))).detail).toMatch(/^stderr: .*word the end$/);
});

test("a provider's name enters a message as printable text", async ({ codex }) => {
  const name = `a\u202eb\u200b\u001b[31mc\u2066${'d'.repeat(5000)}`;
  await codex.config(
    `model_provider = ${JSON.stringify(name)}\n[model_providers.${JSON.stringify(name)}]\nname = "x"\nbase_url = "http://127.0.0.1:9"\n`,
  );
  const { code, message } = await failure(codex.generate([]));
  expect(code).toBe('IMAGE_GEN_UNAVAILABLE');
  expect(message).toContain('provider `abcdd');
  expect(message).toBe(message.replaceAll(/[\p{Cc}\p{Cf}]/gu, ''));
  expect(message.length).toBeLessThanOrEqual(350);
});
