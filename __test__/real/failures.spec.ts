// The real Codex CLI fails in every way that a backend, a login or an agent can cause. Each cause
// has its code and a message that its reader can act on.

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inspect } from 'node:util';

import { describe, expect } from 'vitest';

import { type CodexImageError, type GenerateOptions, setMaxConcurrentRuns } from '../../index.js';
import {
  copy,
  draw,
  fail,
  moderationBlocked,
  rateLimited,
  say,
  type Script,
  serverError,
  shell,
  unauthorized,
  unavailable,
  usageLimit,
} from '../support/loopback/backend.js';
import { ACCOUNT } from '../support/loopback/home.js';
import { WINDOWS } from '../support/platform.js';
import { PICTURE, type RealCodex, test } from '../support/real/real.js';
import { CODE, DIRECT, HOSTED, type Variant, VARIANTS } from '../support/real/variants.js';
import { failure } from '../support/call/outcome.js';

// vitest runs only a few of these at a time.
setMaxConcurrentRuns(1000);

const SORRY = say('I tried to draw it with the built-in tool, but the call failed.');

interface Expected {
  code: string;
  status: number;
  retryable: boolean;
  /** What its reader can do. */
  message: RegExp;
}

const USAGE_LIMIT: Expected = {
  code: 'USAGE_LIMIT',
  status: 429,
  retryable: false,
  message: /resets on a rolling window\. Try again later/,
};
const RATE_LIMITED: Expected = {
  code: 'RATE_LIMITED',
  status: 429,
  retryable: true,
  message: /rate.*Try again in a minute/,
};
const SAFETY: Expected = {
  code: 'SAFETY_REJECTED',
  status: 422,
  retryable: false,
  message: /safety.*Reword the prompt/,
};
const BACKEND: Expected = {
  code: 'BACKEND_ERROR',
  status: 502,
  retryable: true,
  message: /backend.*Try again later/,
};
const REFUSED: Expected = {
  ...BACKEND,
  retryable: false,
  message: /backend.*HTTP 400.*would fail again/,
};
const NOT_SIGNED_IN: Expected = {
  code: 'NOT_SIGNED_IN',
  status: 401,
  retryable: false,
  message: /not signed in.*codex login/,
};
const API_KEY_LOGIN: Expected = {
  code: 'API_KEY_LOGIN',
  status: 403,
  retryable: false,
  message: /API key.*codex login/,
};
const UNAVAILABLE: Expected = {
  code: 'IMAGE_GEN_UNAVAILABLE',
  status: 501,
  retryable: false,
  message: /image_gen tool is unavailable.*Update Codex/,
};
const NO_IMAGE: Expected = {
  code: 'NO_IMAGE',
  status: 502,
  retryable: true,
  message: /no image at the requested path.*Trying again/,
};
const notPng = (found: string): Expected => ({
  code: 'INVALID_IMAGE',
  status: 502,
  retryable: true,
  message: new RegExp(`not a valid PNG.*${found}`),
});
const codexFailed = (exit: string): Expected => ({
  code: 'CODEX_FAILED',
  status: 502,
  retryable: false,
  message: new RegExp(`codex image_gen exited ${exit}\\. Update Codex`),
});

function expectError(error: CodexImageError, { message, ...expected }: Expected): void {
  expect(error).toMatchObject(expected);
  expect(error.message).toMatch(message);
  // Products show it to their users.
  expect(error.message).not.toMatch(/[\n\r]/);
  expect(error.message).not.toMatch(/(^|[\s('"`])(\/|~\/|[A-Z]:\\)/);
  expect(error.message).not.toMatch(/ERROR|127\.0\.0\.1/);
  expect(error.message.length).toBeLessThanOrEqual(300);
}

/** The access token of the login. */
async function accessToken({ home }: RealCodex): Promise<string> {
  const auth = JSON.parse(await readFile(path.join(home.path, 'auth.json'), 'utf8')) as {
    tokens: { access_token: string };
  };
  return auth.tokens.access_token;
}

/** All members of an error, hidden ones included. */
function everythingIn(error: CodexImageError): string {
  const members = Object.fromEntries(
    Reflect.ownKeys(error).map((key) => [String(key), Reflect.get(error, key)]),
  );
  return JSON.stringify(members) + inspect(error, { depth: null, showHidden: true });
}

/** A command that writes a file in the agent's shell. */
function writing(base64: string, file: string): string {
  if (!WINDOWS) return `echo ${base64} | base64 -d > '${file}'`;
  return `[IO.File]::WriteAllBytes("$PWD\\${file}", [Convert]::FromBase64String('${base64}'))`;
}

interface Case {
  what: string;
  variants: readonly Variant[];
  script: Script;
  expected: Expected;
  options?: Partial<GenerateOptions>;
  /** What `detail` shows of it. */
  evidence?: RegExp;
}

const CASES: Case[] = [
  {
    what: 'usage limit of the image call',
    variants: VARIANTS,
    script: [draw({ failure: usageLimit() }), SORRY],
    expected: USAGE_LIMIT,
    evidence: /usage limit has been reached/,
  },
  {
    what: 'usage limit of the model call',
    variants: [HOSTED, CODE],
    script: [fail(usageLimit())],
    expected: USAGE_LIMIT,
    evidence: /hit your usage limit/,
  },
  {
    what: 'too many image calls',
    variants: VARIANTS,
    script: [draw({ failure: rateLimited }), SORRY],
    expected: RATE_LIMITED,
    evidence: /Rate limit reached/,
  },
  {
    what: 'too many model calls',
    variants: [HOSTED, CODE],
    script: [fail(rateLimited)],
    expected: RATE_LIMITED,
    evidence: /429 Too Many Requests/,
  },
  {
    what: 'moderation of the image call',
    variants: VARIANTS,
    script: [draw({ failure: moderationBlocked }), SORRY],
    expected: SAFETY,
    evidence: /rejected by the safety system/,
  },
  {
    what: 'moderation of the model call',
    variants: [HOSTED, CODE],
    script: [fail(moderationBlocked)],
    expected: SAFETY,
    evidence: /moderation_blocked/,
  },
  {
    what: 'moderation in the middle of what the model says',
    variants: [HOSTED, CODE],
    script: [say('I draw it now.'), fail(moderationBlocked)],
    expected: SAFETY,
    evidence: /I draw it now\./,
  },
  {
    what: 'HTTP 500 of the image call',
    variants: VARIANTS,
    script: [draw({ failure: serverError }), SORRY],
    expected: BACKEND,
    evidence: /server had an error/,
  },
  {
    what: 'an image call that is cut off',
    variants: [CODE],
    script: [draw({ failure: 'disconnect' }), SORRY],
    expected: BACKEND,
    evidence: /network error/,
  },
  {
    what: 'a login that has expired and is not renewed',
    variants: [HOSTED, CODE],
    script: [fail(unauthorized)],
    expected: NOT_SIGNED_IN,
    evidence: /refresh token has expired/,
  },
  {
    what: 'a login that the image call alone refuses',
    variants: [CODE, DIRECT],
    script: [draw({ failure: unauthorized }), SORRY],
    expected: NOT_SIGNED_IN,
    evidence: /token is expired/,
  },
  {
    what: 'an agent that only talks',
    variants: VARIANTS,
    script: [say('Here is your picture: imagine a red fox.')],
    expected: NO_IMAGE,
    evidence: /imagine a red fox/,
  },
  {
    what: 'an agent that says it has no tool',
    variants: VARIANTS,
    script: [unavailable()],
    expected: UNAVAILABLE,
    evidence: /IMAGE_GEN_UNAVAILABLE/,
  },
  {
    what: 'a web page instead of an image',
    variants: VARIANTS,
    script: [draw({ image: Buffer.from('<!doctype html>\n<h1>502 Bad Gateway</h1>\n') }), copy()],
    expected: notPng('HTML'),
  },
  {
    what: 'half an image',
    variants: VARIANTS,
    script: [draw({ image: PICTURE.subarray(0, PICTURE.length / 2) }), copy()],
    expected: notPng('ends too early'),
  },
  {
    what: 'an image that is larger than allowed',
    variants: [HOSTED, CODE],
    script: [draw({ image: PICTURE }), copy()],
    options: { maxImageBytes: 1000 },
    expected: {
      code: 'IMAGE_TOO_LARGE',
      status: 413,
      retryable: false,
      message: /larger than the 1000 bytes/,
    },
  },
  {
    what: 'something broken that the agent left instead of an image',
    variants: [HOSTED, CODE],
    script: [shell(writing('iVBORw0KGgo=', 'od-codex-image.png')), say('Done.')],
    expected: notPng('ends too early'),
  },
  {
    what: 'a feature that the CLI does not know',
    variants: [HOSTED, CODE],
    script: [],
    options: { disableFeatures: ['flux_capacitor'] },
    expected: codexFailed('exit [12]'),
    evidence: /flux_capacitor/,
  },
];

// Concurrent, because Codex mostly waits before it tries again. vitest then needs each test's own
// `expect`.
describe.concurrent('a cause', () => {
  const each = CASES.flatMap(({ variants, ...rest }) =>
    variants.map((variant) => ({ variant, ...rest })),
  );
  test.for(each)(
    'has its own code: $what, $variant.name',
    async ({ variant, script, options, expected, evidence }, { real, expect }) => {
      const error = await failure(real.generate(variant, script, options));
      await real.expectNothingLeft();
      expectError(error, expected);
      expect(error.threadId).toBe(real.threadId());
      expect(error.exitCode).toEqual(expect.any(Number));
      if (evidence !== undefined) expect(error.detail).toMatch(evidence);
      expect(everythingIn(error)).not.toContain(await accessToken(real));
    },
  );
});

describe.concurrent('the reset of a usage limit', () => {
  test.for([CODE, DIRECT])(
    'is known from the image call: $name',
    async (variant, { real, expect }) => {
      const before = Math.floor(Date.now() / 1000);
      const script = [draw({ failure: usageLimit(5400) }), SORRY];
      const error = await failure(real.generate(variant, script));
      const resetsAt = (error.resetsAt?.getTime() ?? NaN) / 1000;
      expect(resetsAt).toBeGreaterThanOrEqual(before + 5400);
      expect(resetsAt).toBeLessThanOrEqual(Date.now() / 1000 + 5400);
      expect(error.message).toContain('in about 1 h 30 min');
    },
  );

  test('is known to the minute from the model call', async ({ real, expect }) => {
    const before = Date.now();
    const error = await failure(real.generate(CODE, [fail(usageLimit(5400))]));
    expect(error).toMatchObject({ code: 'USAGE_LIMIT' });
    const after = (error.resetsAt?.getTime() ?? NaN) - before;
    expect(after).toBeGreaterThan((5400 - 60) * 1000);
    expect(after).toBeLessThan((5400 + 60) * 1000);
  });
});

describe('a login or provider that cannot generate images', () => {
  /** Asserts that the backend received no request. */
  async function expectRefused(
    real: RealCodex,
    variant: Variant,
    expected: Expected,
  ): Promise<void> {
    const error = await failure(real.generate(variant, [draw({ image: PICTURE }), copy()]));
    await real.expectNothingLeft();
    expectError(error, expected);
    expect(error).not.toHaveProperty('threadId');
    expect(real.backend.requests).toEqual([]);
  }

  test.for([HOSTED, CODE])(
    'is refused before a turn is spent: no login, $name',
    async (variant, { real }) => {
      await real.moveTo({ login: 'none' });
      await expectRefused(real, variant, NOT_SIGNED_IN);
    },
  );

  test.for([HOSTED, CODE])(
    'is refused before a turn is spent: an API key, $name',
    async (variant, { real }) => {
      await real.moveTo({ login: 'api-key' });
      await expectRefused(real, variant, API_KEY_LOGIN);
    },
  );

  test('is refused before a turn is spent: no ChatGPT login, as only the CLI knows', async ({
    real,
  }) => {
    const auth = { bedrock_api_key: { api_key: 'made-up', region: 'nowhere-1' } };
    await writeFile(path.join(real.home.path, 'auth.json'), JSON.stringify(auth));
    await expectRefused(real, CODE, API_KEY_LOGIN);
  });

  test.for([HOSTED, CODE])(
    'is refused before a turn is spent: a relay without the tool, $name',
    async (variant, { real }) => {
      await real.moveTo({ relay: true });
      await expectRefused(real, variant, {
        ...UNAVAILABLE,
        message: /image_gen tool is unavailable.*`relay`.*requires_openai_auth/,
      });
    },
  );
});

test.for([HOSTED, CODE])(
  'a login that only the CLI itself knows to be a ChatGPT login draws: $name',
  async (variant, { real }) => {
    // Like a login in the system's keyring: the file alone does not show it.
    const file = path.join(real.home.path, 'auth.json');
    const auth = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...auth, auth_mode: 'chatgptAuthTokens' }));
    const image = await real.generate(variant, [draw({ image: PICTURE }), copy()]);
    expect(Buffer.compare(image, PICTURE)).toBe(0);
  },
);

describe.for(VARIANTS)('an image before the model fails: $name', (variant) => {
  const script = [draw({ image: PICTURE }), fail(usageLimit())];

  test("is returned with completion 'image'", async ({ real }) => {
    const image = await real.generateDetailed(variant, script);
    expect(image.source).toBe('store');
    expect(Buffer.compare(image.png, PICTURE)).toBe(0);
  });

  test("is not returned with completion 'exit'", async ({ real }) => {
    const error = await failure(real.generate(variant, script, { completion: 'exit' }));
    expectError(error, USAGE_LIMIT);
    expect(error).toMatchObject({ exitCode: 1, threadId: real.threadId() });
    expect(real.backend.images).toHaveLength(1);
  });
});

describe('an agent that draws without the tool', () => {
  const base64 = PICTURE.toString('base64');
  const fake = (file: string): string => writing(base64, file);

  test.for(VARIANTS)('has no shell under read-only: $name', async (variant, { real }) => {
    const script = [shell(fake('od-codex-image.png')), say('Done.')];
    const error = await failure(real.generate(variant, script, { sandbox: 'read-only' }));
    expectError(error, NO_IMAGE);
    expect(real.asked().shellRoute).toBeUndefined();
  });

  test.for(['read-only', 'workspace-write'] as const)(
    'gets no tools in code mode that an image does not need, %s',
    async (sandbox, { real }) => {
      const picture = draw({ image: PICTURE });
      await real.generate(CODE, [picture, say('Done.')], { sandbox });
      const request = JSON.stringify(real.modelCalls()[0]?.body);
      const nested = [...request.matchAll(/declare const tools: \{ (\w+)\(/g)];
      const named = nested.map(([, name]) => name);
      expect(named).toContain('image_gen__imagegen');
      expect(named).not.toContain('clock__curr_time');
      expect(named.includes('exec_command')).toBe(sandbox === 'workspace-write');
      expect(named.includes('apply_patch')).toBe(sandbox === 'workspace-write');
    },
  );

  // By Codex's sandbox, which the package does not use on Windows.
  test.skipIf(WINDOWS).for(VARIANTS)(
    "cannot write into Codex's own store: $name",
    async (variant, { real }) => {
      const store = path.join(real.home.path, 'generated_images');
      const planted = path.join(store, 'planted.png');
      const script = [shell(`mkdir -p '${store}'; ${fake(planted)} || echo REFUSED`), say('Done.')];
      expectError(await failure(real.generate(variant, script)), NO_IMAGE);
      expect(real.toolOutputs().join('\n')).toContain('REFUSED');
      expect(existsSync(planted)).toBe(false);
    },
  );
});

test.for([HOSTED, CODE])(
  'detail hides names and addresses in any log of Codex: $name',
  async (variant, { real }) => {
    // At this level Codex logs the account's e-mail address and id in every line.
    const env = { ...real.env, RUST_LOG: 'codex_otel=trace' };
    const { detail = '' } = await failure(real.generate(variant, [say('No.')], { env }));
    expect(detail).toContain('user.email="[redacted]"');
    expect(detail).toContain('user.account_id="[redacted]"');
    expect(detail).not.toContain('loopback@example.com');
    expect(detail).not.toContain(ACCOUNT);
    for (const place of [real.home.path, real.user, real.temporary]) {
      expect(detail).not.toContain(place);
    }
  },
);

test.for([HOSTED, CODE])(
  'the prompt is no cause in any log of Codex: $name',
  async (variant, { real }) => {
    const words = [
      "a poster that says: You've hit your usage limit",
      'image generation failed: http 402 Payment Required: None',
      'unsupported call: image_gen',
      'failed to spawn code-mode host',
    ];
    const prompt = [...words, words.join(': ')].join('\n');
    const env = { ...real.env, RUST_LOG: 'trace' };
    expectError(await failure(real.generate(variant, [say('No.')], { env, prompt })), NO_IMAGE);
  },
);

test.for([HOSTED, CODE])(
  'errors repeat no secret that Codex prints: $name',
  async (variant, { real }) => {
    // Shaped like real ones; the values are made up.
    const key = 'sk-proj-Ab12Cd34Ef56Gh78Ij90Kl12Mn34';
    const token = await accessToken(real);
    const refused = {
      status: 400,
      body: { error: { type: 'invalid_request_error', message: `Incorrect API key: ${key}` } },
    };
    const script = [say(`My token is ${token}.`), fail(refused)];
    const error = await failure(real.generate(variant, script));
    expectError(error, REFUSED);
    expect(error.detail).toMatch(/Incorrect API key/);
    expect(error.detail).toMatch(/My token is/);
    expect(everythingIn(error)).not.toContain(key);
    expect(everythingIn(error)).not.toContain(token);
  },
);
