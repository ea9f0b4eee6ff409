// The login is checked before a turn is spent.

import path from 'node:path';

import { describe, expect } from 'vitest';

import { PICTURE } from '../support/image/small-png.js';
import { CHATGPT_LOGIN } from '../support/call/login.mjs';
import { failure } from '../support/call/outcome.js';
import { save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { StubScript } from '../support/stub/stub-script.js';

const SCRIPT: StubScript = { exec: turn(save('store', PICTURE)) };

/**
 * The commands that were run, in order, without `--version`, which is asked once for each program.
 */
async function commands(codex: StubCodex): Promise<string[]> {
  const all = (await codex.recordings()).filter(({ args }) => args[0] !== '--version');
  return all.map(({ command }) => command);
}

describe('auth.json', () => {
  test('passes with a ChatGPT login, without a question', async ({ codex }) => {
    expect(await codex.generate(SCRIPT)).toEqual(PICTURE);
    expect(await commands(codex)).toEqual(['exec']);
  });

  test('passes with a login older than `auth_mode`', async ({ codex }) => {
    const { auth_mode: _, ...older } = CHATGPT_LOGIN;
    await codex.login(older);
    expect(await codex.generate(SCRIPT)).toEqual(PICTURE);
    expect(await commands(codex)).toEqual(['exec']);
  });

  test.for<[what: string, auth: object]>([
    ['an API key', { auth_mode: 'apikey', OPENAI_API_KEY: 'sk-made-up', tokens: null }],
    ['an API key older than `auth_mode`', { OPENAI_API_KEY: 'sk-made-up' }],
    ['an agent identity', { auth_mode: 'agentIdentity', agent_identity: 'sk-made-up' }],
  ])('is refused, and nothing is started: %s', async ([, auth], { codex }) => {
    await codex.login(auth);
    const error = await failure(codex.generate(SCRIPT));
    expect(error).toMatchObject({ code: 'API_KEY_LOGIN', status: 403, retryable: false });
    expect(error.message).toMatch(/API key.*codex login/);
    expect(JSON.stringify({ ...error, message: error.message })).not.toContain('sk-made-up');
    expect(await codex.recordings()).toEqual([]);
  });

  test('is read in codexHome', async ({ codex }) => {
    await codex.login({ auth_mode: 'apikey', OPENAI_API_KEY: 'sk-made-up' });
    const env = { ...codex.env, CODEX_HOME: codex.scratch };
    expect(await failure(codex.generate(SCRIPT, { env, codexHome: codex.home }))).toMatchObject({
      code: 'API_KEY_LOGIN',
    });
  });

  test('is read in ~/.codex where no home is named', async ({ codex }) => {
    const { CODEX_HOME: _, ...env } = codex.env;
    const script: StubScript = { ...SCRIPT, login: { text: 'Not logged in', exitCode: 1 } };
    expect(await failure(codex.generate(script, { env }))).toMatchObject({ code: 'NOT_SIGNED_IN' });
    const [asked] = await codex.recordings();
    const home = path.join(codex.user, '.codex');
    expect(asked?.env['CODEX_HOME'] ?? home).toBe(home);
  });
});

describe('`codex login status`', () => {
  test.for<[what: string, auth: string | null]>([
    ['no file', null],
    ['an empty file', ''],
    ['no JSON', '{"auth_mode":'],
    ['nothing in it', '{}'],
  ])('is asked where auth.json does not tell: %s', async ([, auth], { codex }) => {
    await codex.login(auth);
    expect(await codex.generate(SCRIPT)).toEqual(PICTURE);
    expect(await commands(codex)).toEqual(['login', 'exec']);
  });

  test.for(['Logged in using an API key - sk-made***up', 'API key configured - sk-made***up'])(
    'refuses the call if it prints: %s',
    async (text, { codex }) => {
      await codex.login(null);
      const error = await failure(codex.generate({ ...SCRIPT, login: { text, exitCode: 0 } }));
      expect(error).toMatchObject({ code: 'API_KEY_LOGIN', status: 403, retryable: false });
      expect(error.message).toMatch(/API key.*codex login/);
      expect(JSON.stringify({ ...error, message: error.message })).not.toContain('sk-made');
      expect(await commands(codex)).toEqual(['login']);
    },
  );

  test('refuses the call if it prints: Not logged in', async ({ codex }) => {
    await codex.login(null);
    const script: StubScript = { ...SCRIPT, login: { text: 'Not logged in', exitCode: 1 } };
    const error = await failure(codex.generate(script));
    expect(error).toMatchObject({ code: 'NOT_SIGNED_IN', status: 401, retryable: false });
    expect(error.message).toMatch(/not signed in.*codex login/i);
    expect(await commands(codex)).toEqual(['login']);
  });

  test.for([
    { text: 'Logged in by carrier pigeon', exitCode: 0 },
    { text: 'You are certainly Not logged in anywhere', exitCode: 1 },
    { text: 'error: unrecognized subcommand', exitCode: 2 },
    { text: '', exitCode: 0 },
  ])('lets the call pass if it prints unknown text: $text', async (login, { codex }) => {
    await codex.login(null);
    expect(await codex.generate({ ...SCRIPT, login })).toEqual(PICTURE);
    expect(await commands(codex)).toEqual(['login', 'exec']);
  });

  test('gets no key', async ({ codex }) => {
    await codex.login(null);
    const env = { ...codex.env, OPENAI_API_KEY: 'a-secret-key', CODEX_API_KEY: 'a-secret-key' };
    expect(await codex.generate(SCRIPT, { env })).toEqual(PICTURE);
    expect(JSON.stringify(await codex.recordings())).not.toContain('a-secret-key');
  });
});

describe('the model provider of config.toml', () => {
  const RELAY = `
    model = "gpt-5"
    model_provider = "my-relay"

    [model_providers.my-relay]
    name = "A relay"
    base_url = "http://127.0.0.1:9/v1"
  `;

  async function refused(codex: StubCodex, config?: Record<string, string>): Promise<void> {
    const error = await failure(codex.generate(SCRIPT, { config: config ?? null }));
    expect(error).toMatchObject({ code: 'IMAGE_GEN_UNAVAILABLE', status: 501, retryable: false });
    expect(error.message).toMatch(/image_gen tool is unavailable/);
    expect(error.message).toContain('my-relay');
    expect(await codex.recordings()).toEqual([]);
  }

  test.for<[what: string, toml: string]>([
    ['a relay', RELAY],
    ['a relay that says no', `${RELAY}\nrequires_openai_auth = false`],
    [
      'a relay chosen by a profile',
      `profile = "work"
       profiles.work.model_provider = "my-relay"
       model_providers.my-relay = { name = "A relay", base_url = "http://127.0.0.1:9/v1" }`,
    ],
  ])('is refused if it certainly lacks image_gen: %s', async ([, toml], { codex }) => {
    await codex.config(toml);
    await refused(codex);
  });

  test('is refused if the call chooses a relay', async ({ codex }) => {
    await codex.config(RELAY.replace('model_provider = "my-relay"', ''));
    await refused(codex, { model_provider: 'my-relay' });
  });

  test("passes if the call chooses Codex's own", async ({ codex }) => {
    await codex.config(RELAY);
    expect(await codex.generate(SCRIPT, { config: { model_provider: '"openai"' } })).toEqual(
      PICTURE,
    );
  });

  test.for<[what: string, toml: string]>([
    ['a relay with an OpenAI login', `${RELAY}\nrequires_openai_auth = true`],
    [
      'a relay that acts for an OpenAI login',
      `${RELAY}\nhttp_headers = { "X-OpenAI-Actor-Authorization" = "made-up" }`,
    ],
    ['a relay that is defined and not chosen', RELAY.replace('model_provider = "my-relay"', '')],
    ["Codex's own provider", 'model_provider = "openai"'],
    ['a file that does not parse', 'model_provider = = "my-relay"'],
    ['values of the wrong type', 'model_provider = 5\nmodel_providers = "none"'],
    ['an empty file', ''],
  ])('passes: %s', async ([, toml], { codex }) => {
    await codex.config(toml);
    expect(await codex.generate(SCRIPT)).toEqual(PICTURE);
  });
});
