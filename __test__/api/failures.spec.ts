// How failures of Codex reach the caller: one case for each shape of output, and each code once.
// The tables of texts are in `src/codex/failure/tests.rs` and `src/text/redact.rs`, for what the
// real CLI prints in `real/compatibility/causes.spec.ts`.

import { symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inspect } from 'node:util';

import { describe, expect } from 'vitest';

import { WINDOWS } from '../support/platform.js';
import { failure } from '../support/call/outcome.js';
import { item, print, say, THREAD, turn, TURN_STARTED, turnFailed } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

/** Logged by the real CLI (0.169.0) when a side request fails, whether or not the turn succeeds. */
const NOISE = [
  'Reading prompt from stdin...',
  '2026-06-01T12:00:00.101448Z ERROR codex_models_manager::manager: failed to refresh available models: ' +
    'unexpected status 404 Not Found: {}, url: https://127.0.0.1:41923/backend-api/codex/models',
  '2026-06-01T12:00:00.109896Z ERROR rmcp::transport::worker: worker quit with fatal: Transport channel ' +
    'closed, when UnexpectedServerResponse("HTTP 404: {}")',
].join('\n');

/** Logged when the image tool gets an HTTP error: the body is JSON inside a Rust string. */
function toolError(status: string, body: object): Step {
  const rust = JSON.stringify(JSON.stringify(body));
  return toolReport(`http ${status}: Some(${rust})`);
}

function toolReport(report: string): Step {
  return print(
    'stderr',
    `${NOISE}\n2026-06-01T12:00:00.123456Z ERROR codex_core::tools::router: ` +
      `error=image generation failed: ${report}\n`,
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

const failedWith = (end: string): Expected => ({
  code: 'CODEX_FAILED',
  status: 502,
  retryable: false,
  message: new RegExp(`codex image_gen exited ${end}\\b`),
});
const NO_IMAGE: Expected = {
  code: 'NO_IMAGE',
  status: 502,
  retryable: true,
  message: /no image at the requested path/,
};
const UNAVAILABLE: Expected = {
  code: 'IMAGE_GEN_UNAVAILABLE',
  status: 501,
  retryable: false,
  message: /image_gen tool is unavailable/,
};
const USAGE_LIMIT: Expected = {
  code: 'USAGE_LIMIT',
  status: 429,
  retryable: false,
  message: /resets on a rolling window/,
};
const BACKEND: Expected = {
  code: 'BACKEND_ERROR',
  status: 502,
  retryable: true,
  message: /backend/,
};

describe('a failure', () => {
  test.for<[title: string, steps: Step[], expected: Expected]>([
    [
      'from the body of an HTTP error that the tool reports',
      turn(toolError('429 Too Many Requests', usageLimit({ resets_in_seconds: 5400 }))),
      USAGE_LIMIT,
    ],
    [
      'from the status of an HTTP error that the tool reports',
      turn(toolError('404 Not Found', { detail: 'Not Found' })),
      {
        ...BACKEND,
        retryable: false,
        message: /^(?!.*again later).*backend.*HTTP 404: \w/,
      },
    ],
    [
      'from an HTTP error without a body',
      turn(toolReport('http 500 Internal Server Error: None')),
      BACKEND,
    ],
    [
      'from a network error that the tool reports',
      turn(toolReport('network error: error sending request')),
      BACKEND,
    ],
    [
      'from the sentence of a failed turn',
      failedTurn('rate limit exceeded: Slow down'),
      { code: 'RATE_LIMITED', status: 429, retryable: true, message: /rate/ },
    ],
    [
      'from the JSON of a failed turn',
      failedTurn(JSON.stringify(MODERATION)),
      { code: 'SAFETY_REJECTED', status: 422, retryable: false, message: /safety/ },
    ],
    [
      'from the status in a failed turn',
      failedTurn(
        'unexpected status 401 Unauthorized: Missing bearer or basic authentication in header, ' +
          'url: https://127.0.0.1:40529/backend-api/codex/responses',
      ),
      {
        code: 'NOT_SIGNED_IN',
        status: 401,
        retryable: false,
        message: /not signed in.*codex login/i,
      },
    ],
    [
      'from a disconnected stream, as of the hosted tool',
      failedTurn('stream disconnected before completion: The usage limit has been reached'),
      USAGE_LIMIT,
    ],
    [
      'from the last line of stderr where no turn was started',
      [
        print('stderr', "Reading prompt from stdin...\nERROR: You've hit your usage limit.\n"),
        { do: 'exit', code: 1 },
      ],
      USAGE_LIMIT,
    ],
    ['from an agent without the tool', turn(say('IMAGE_GEN_UNAVAILABLE')), UNAVAILABLE],
    [
      'from a CLI without the tool',
      turn(
        print(
          'stderr',
          'ERROR codex_core::tools::router: error=unsupported call: image_gen.imagegen\n',
        ),
      ),
      UNAVAILABLE,
    ],
    ['from a turn that ended without an image', turn(say('Here is your fox!')), NO_IMAGE],
    [
      'from a turn whose stderr has errors that every call has',
      turn(print('stderr', NOISE)),
      NO_IMAGE,
    ],
    ['from a Codex that printed nothing', [], NO_IMAGE],
    [
      'from the exit code alone, though a side request failed',
      [print('stderr', `${NOISE}\n`), { do: 'exit', code: 1 }],
      failedWith('exit 1'),
    ],
    [
      'from the exit code alone, though a thread was started',
      [THREAD, { do: 'exit', code: 1 }],
      failedWith('exit 1'),
    ],
    [
      'from the exit code alone where the reason of the turn is unknown',
      failedTurn('the flux capacitor is empty'),
      failedWith('exit 1'),
    ],
    [
      'from the exit code alone where the reason on stderr is unknown',
      [print('stderr', "error: unexpected argument '--json' found\n"), { do: 'exit', code: 2 }],
      failedWith('exit 2'),
    ],
    [
      'from SIGKILL, as of the OOM killer',
      [{ do: 'die', of: 'SIGKILL' }],
      // Node reports TerminateProcess as exit code 1.
      failedWith(WINDOWS ? 'exit 1' : 'signal SIGKILL'),
    ],
    // Windows has no other signals.
    ...(WINDOWS
      ? []
      : [
          [
            'from SIGSEGV',
            [THREAD, { do: 'die', of: 'SIGSEGV' }],
            failedWith('signal SIGSEGV'),
          ] satisfies [string, Step[], Expected],
        ]),
  ])('gets its code and its message %s', async ([, steps, { message, ...expected }], { codex }) => {
    const error = await failure(codex.generate(steps));
    expect(error).toMatchObject(expected);
    expect(error.message).toMatch(message);
    // Products show it to their users.
    expect(error.message).not.toMatch(/[\n\r]/);
    expect(error.message).not.toMatch(/(^|[\s('"`])(\/|~\/|[A-Z]:\\)/);
    expect(error.message).not.toContain('ERROR');
    expect(error.message.length).toBeLessThanOrEqual(300);
  });

  test('says with NO_IMAGE that nothing was drawn', async ({ codex }) => {
    const text = 'What colour should the fox be?';
    const { code, message, detail } = await failure(codex.generate(turn(say(text))));
    expect(code).toBe('NO_IMAGE');
    expect(message).toMatch(/answered without drawing/);
    expect(message).not.toContain(text);
    expect(detail).toContain(text);
  });

  test('names a provider in printable characters', async ({ codex }) => {
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
});

describe('an error', () => {
  test('is an Error, and a TypeError only for options', async ({ codex }) => {
    const error = await failure(codex.generate([{ do: 'exit', code: 1 }]));
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(TypeError);
    expect(String(error)).toBe(`CodexImageError: ${error.message}`);
    expect(error.stack).toContain(error.message);
  });

  test('lacks the members that are unknown, instead of having undefined', async ({ codex }) => {
    const error = await failure(codex.generate([{ do: 'exit', code: 1 }]));
    expect(Object.values(error)).not.toContain(undefined);
    expect(Object.values(error)).not.toContain(null);
  });

  test('has the exit code', async ({ codex }) => {
    const error = await failure(codex.generate([{ do: 'exit', code: 7 }]));
    expect(error).toMatchObject({ exitCode: 7 });
    expect(error).not.toHaveProperty('signal');
  });

  // Windows has no signals.
  test.skipIf(WINDOWS)('has the signal', async ({ codex }) => {
    const error = await failure(codex.generate([{ do: 'die', of: 'SIGSEGV' }]));
    expect(error).toMatchObject({ signal: 'SIGSEGV' });
    expect(error).not.toHaveProperty('exitCode');
  });

  test('has the thread id', async ({ codex }) => {
    const { threadId } = await failure(codex.generate(turn()));
    expect(threadId).toBe((await codex.turn()).threadId);
  });

  test('has no thread id where no thread was started', async ({ codex }) => {
    expect(await failure(codex.generate([]))).not.toHaveProperty('threadId');
  });
});

describe('resetsAt', () => {
  test('comes from the seconds that are left', async ({ codex }) => {
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

  test('comes from the time of the reset', async ({ codex }) => {
    const time = Math.floor(Date.now() / 1000) + 7200;
    const body = usageLimit({ resets_at: time });
    const { resetsAt } = await failure(
      codex.generate(turn(toolError('429 Too Many Requests', body))),
    );
    expect(resetsAt).toEqual(new Date(time * 1000));
  });

  test("comes from a sentence in the time zone of Codex's environment", async ({ codex }) => {
    const sentence = "You've hit your usage limit. Try again at Nov 25th, 2030 9:07 AM.";
    for (const [TZ, resetsAt] of [
      ['Asia/Tokyo', '2030-11-25T00:07:00Z'],
      ['America/New_York', '2030-11-25T14:07:00Z'],
    ] as const) {
      const options = { env: { ...codex.env, TZ } };
      const error = await failure(codex.generate(failedTurn(sentence), options));
      expect(error.resetsAt).toEqual(new Date(resetsAt));
    }
  });

  test.for<[what: string, resets: { resets_at?: unknown; resets_in_seconds?: unknown }]>([
    ['nothing is said of it', {}],
    ['it is no number', { resets_at: '5400' }],
    // A `Date` ends 8.64e15 ms after 1970.
    ['it is beyond the dates of JavaScript', { resets_in_seconds: 8_640_000_000_001 }],
    ['it is long past', { resets_at: 1_000_000_000 }],
  ])('is absent where %s', async ([, resets], { codex }) => {
    const body = usageLimit(resets);
    const error = await failure(codex.generate(turn(toolError('429 Too Many Requests', body))));
    expect(error).toMatchObject({ code: 'USAGE_LIMIT', retryable: false });
    expect(error).not.toHaveProperty('resetsAt');
    expect(error.message).toMatch(/Try again later\.$/);
  });
});

describe('a cause that is only quoted', () => {
  const TEXTS = ['rate limit exceeded', 'image generation failed: http 402 Payment Required: None'];
  const EXIT: Step = { do: 'exit', code: 1 };

  test.for(TEXTS)(
    'is no cause in the prompt, from the agent and in an error item: %s',
    async (text, { codex }) => {
      const error = item({ type: 'error', message: `MCP server x: ${text}` });
      const failed = turnFailed('the flux capacitor is empty');
      const steps = [THREAD, TURN_STARTED, say(text), error, failed, EXIT];
      expect((await failure(codex.generate(steps, { prompt: text }))).code).toBe('CODEX_FAILED');
    },
  );

  test.for(TEXTS)('is no cause in a line of the log: %s', async (text, { codex }) => {
    const head = '2026-06-01T12:00:00.123456Z TRACE codex_core::codex: Submission { text: "';
    const steps = [THREAD, TURN_STARTED, print('stderr', `${head}${text}"\n`), EXIT];
    expect((await failure(codex.generate(steps))).code).toBe('CODEX_FAILED');
  });
});

describe('detail', () => {
  const EXIT: Step = { do: 'exit', code: 1 };

  test("has the end of stderr and the agent's last message", async ({ codex }) => {
    const steps = turn(say('I would rather not.'), print('stderr', 'something went quite wrong\n'));
    const { detail } = await failure(codex.generate(steps));
    expect(detail).toContain('I would rather not.');
    expect(detail).toContain('something went quite wrong');
  });

  test('has what Codex said of its configuration', async ({ codex }) => {
    const text = 'Error loading config.toml: unknown variant `hihg`, expected one of `low`, `high`';
    const error = await failure(codex.generate([print('stderr', `${text}\n`), EXIT]));
    expect(error.code).toBe('CODEX_FAILED');
    expect(error.detail).toContain(text);
  });

  test('has the reason of a failed turn', async ({ codex }) => {
    const { detail } = await failure(codex.generate(failedTurn('the flux capacitor is empty')));
    expect(detail).toContain('the flux capacitor is empty');
  });

  test('has the end of a long line without a break', async ({ codex }) => {
    const steps: Step[] = [print('stderr', `${'word '.repeat(20_000)}the end`), EXIT];
    expect((await failure(codex.generate(steps))).detail).toMatch(/^stderr: .*word the end$/);
  });

  test('has long texts without secrets as a whole', async ({ codex }) => {
    const harmless = [
      `sha256 ${'0123456789abcdef'.repeat(4)}`,
      'thread 019e5f2a-7c44-7bb0-9d3e-0123456789ab of https://chatgpt.com/backend-api/codex/responses',
      'a long sentence about nothing in particular. '.repeat(100).trim(),
    ];
    const { detail } = await failure(codex.generate(failedTurn(harmless.join('\n'))));
    for (const text of harmless) expect(detail).toContain(text);
  });

  test('has the text that only resembles a secret', async ({ codex }) => {
    const line = 'task-list of sketch 12: the quick brown fox jumped over bearer bonds';
    const { detail } = await failure(codex.generate([print('stderr', line), EXIT]));
    expect(detail).toContain('task-list of sketch 12: the quick brown fox jumped');
  });

  test('has no terminal codes', async ({ codex }) => {
    const steps = [print('stderr', '\x1b[1;31mred\x1b[0m\x07\x00 alert\n'), EXIT];
    const { detail = '' } = await failure(codex.generate(steps));
    expect(detail).toContain('red');
    // oxlint-disable-next-line no-control-regex
    expect(detail).not.toMatch(/[\0\x07\x1b]/);
  });

  test('is bounded, however much longer it becomes when secrets are replaced', async ({
    codex,
  }) => {
    const flood = 'password=x\n'.repeat(10_000);
    const texts = [print('stderr', flood), say(flood), turnFailed(flood)];
    const steps = [THREAD, ...texts, print('stderr', '\nthe end\n'), EXIT];
    const { detail } = await failure(codex.generate(steps));
    expect(detail).toMatch(/the end$/);
    expect(detail?.length).toBeLessThanOrEqual(48 * 1024);
  });

  test('names no home and no CODEX_HOME', async ({ codex }) => {
    const text = `read ${codex.home}/auth.json, ${codex.user}/.netrc, and ${codex.user}`;
    const steps = [print('stderr', `${text}\n`), say(text), turnFailed(text)];
    const { detail } = await failure(codex.generate([THREAD, ...steps]));
    expect(detail).not.toContain(codex.home);
    expect(detail).not.toContain(codex.user);
    expect(detail?.match(/read CODEX_HOME\/auth\.json, ~\/\.netrc, and ~/g)).toHaveLength(3);
  });

  // Windows starts no scripts.
  test.skipIf(WINDOWS)('names no workspace, and no home behind a link', async ({ codex }) => {
    const codexPath = path.join(codex.scratch, 'codex');
    const codexHome = path.join(codex.scratch, 'link');
    await symlink(codex.home, codexHome);
    const script = '#!/bin/sh\necho "at $PWD, $(cd "$CODEX_HOME" && pwd -P)." >&2\nexit 3\n';
    await writeFile(codexPath, script, { mode: 0o755 });
    const { detail } = await failure(codex.generate([], { codexPath, codexHome }));
    expect(detail).toBe('stderr: at the workspace, CODEX_HOME.');
  });
});

describe('no member of an error has a secret', () => {
  // Shaped like real ones; the values are made up.
  const SECRET = 'Ab12Cd34Ef56Gh78Ij90';
  const TEXTS: [what: string, text: string][] = [
    ['in a header', `Authorization: Bearer ${SECRET}`],
    ['on the line after its name', `"set-cookie": [\n  "a=1",\n  "b=${SECRET}"\n]`],
    ['in JSON within a string of Rust', `Some("{\\"id_token\\":\\"${SECRET}\\"}")`],
    ['in colour', `\x1b[31mBearer\x1b[0m \x1b[1m${SECRET}\x1b[0m`],
  ];
  const OUTPUTS: [where: string, print: (text: string) => Step][] = [
    ['on stderr', (text) => print('stderr', text)],
    // Some write ends within the secret.
    ['on stderr in several writes', (text) => print('stderr', text, 16)],
    ['from the agent', (text) => say(text)],
    ['in an error item', (message) => item({ type: 'error', message })],
    ['in a failed turn', (text) => turnFailed(text)],
    [
      'in the body of an HTTP error',
      (message) => toolError('500 Internal Server Error', { error: { message } }),
    ],
  ];
  // A JSON body would hold the codes of a colour in another form.
  const CASES = TEXTS.flatMap(([what, text]) =>
    OUTPUTS.filter(
      ([where]) => what !== 'in colour' || where !== 'in the body of an HTTP error',
    ).map(([where, step]) => [what, where, step(`before ${text} after\n`)] as const),
  );

  test.for(CASES)('that Codex prints %s, %s', async ([, , step], { codex }) => {
    const error = await failure(codex.generate([THREAD, step, { do: 'exit', code: 1 }]));
    const members = Reflect.ownKeys(error).map((key) => [String(key), Reflect.get(error, key)]);
    const shown = inspect(error, { depth: null, showHidden: true });
    expect(JSON.stringify(Object.fromEntries(members)) + shown).not.toContain('Ab12Cd34Ef56');
  });
});
