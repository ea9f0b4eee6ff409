// Configurations with which Codex cannot draw are found before a turn is spent, by a call and by
// `checkCodex` alike.

import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { checkCodex, type CheckOptions, type ReadinessProblem } from '../../index.js';
import { BOUND_BY_MODES, generateInOwnProcess } from '../support/process/own-process.js';
import { WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { CHATGPT_LOGIN } from '../support/call/login.mjs';
import { failure } from '../support/call/outcome.js';
import { save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { StubScript } from '../support/stub/stub-script.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';

const DRAWS = turn(save('store', PICTURE));
const NOT_LOGGED_IN: StubScript['login'] = { text: 'Not logged in', exitCode: 1 };
const API_KEY = { auth_mode: 'apikey', OPENAI_API_KEY: 'sk-made-up' };

type Asked = Pick<CheckOptions, 'codexHome' | 'config' | 'env'>;

/** A ChatGPT login in the workspace of this id. The CLI does not check the signature. */
function loginTo(workspace: string | null): object {
  const claims = { 'https://api.openai.com/auth': { chatgpt_account_id: workspace } };
  const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
  return { ...CHATGPT_LOGIN, tokens: { ...CHATGPT_LOGIN.tokens, id_token: `e30.${payload}.c2ln` } };
}

async function check(codex: StubCodex, asked: Asked): Promise<ReadinessProblem[]> {
  return (await checkCodex({ codexPath: SCRIPT_STUB, env: codex.env, ...asked })).problems;
}

/** Asserts that a call fails like this without a turn, and that `checkCodex` reports the same. */
async function expectRefused(
  codex: StubCodex,
  expected: { code: string; status: number; message: RegExp },
  { asked = {}, login }: { asked?: Asked; login?: StubScript['login'] } = {},
): Promise<void> {
  const script: StubScript = { exec: DRAWS, ...(login === undefined ? {} : { login }) };
  const error = await failure(codex.generate(script, { ...asked, config: asked.config ?? null }));
  const { message, ...rest } = expected;
  expect(error).toMatchObject({ ...rest, retryable: false });
  expect(error.message).toMatch(message);
  const problems = await check(codex, asked);
  expect(problems.map(({ code, blocking }) => [code, blocking])).toEqual([[rest.code, true]]);
  expect(problems.map((problem) => `${problem.message} ${problem.fix}`)).toEqual([error.message]);
  const ran = (await codex.recordings()).map(({ command }) => command);
  expect(ran).not.toContain('exec');
}

async function expectDrawn(codex: StubCodex, asked: Asked = {}): Promise<void> {
  const drawn = await codex.generate(DRAWS, { ...asked, config: asked.config ?? null });
  expect(drawn).toEqual(PICTURE);
  expect((await check(codex, asked)).filter(({ blocking }) => blocking)).toEqual([]);
}

function notSignedIn(message: RegExp): { code: string; status: number; message: RegExp } {
  return { code: 'NOT_SIGNED_IN', status: 401, message };
}

function unavailable(message: RegExp): { code: string; status: number; message: RegExp } {
  return { code: 'IMAGE_GEN_UNAVAILABLE', status: 501, message };
}

describe('a login that is not kept in auth.json', () => {
  const SAYS_NOTHING = { login: NOT_LOGGED_IN };

  test.for(['keyring', 'auto', 'ephemeral'])('is asked for: %s', async (store, { codex }) => {
    await codex.config(`cli_auth_credentials_store = "${store}"`);
    await expectRefused(codex, notSignedIn(/not signed in.*codex login/i), SAYS_NOTHING);
    await expectDrawn(codex);
  });

  test('is asked for with the settings of the call', async ({ codex }) => {
    const asked = { config: { cli_auth_credentials_store: 'keyring' } };
    await expectRefused(codex, notSignedIn(/not signed in/), { ...SAYS_NOTHING, asked });
    const [first] = await codex.recordings();
    expect(first?.args).toEqual(['login', 'status', '-c', 'cli_auth_credentials_store=keyring']);
  });

  test('is missing where its keyring does not answer', async ({ codex }) => {
    await codex.config('cli_auth_credentials_store = "keyring"');
    const text = 'Error checking login status: failed to load CLI auth from keyring: no session';
    const login = { text, exitCode: 1 };
    await expectRefused(codex, notSignedIn(/not signed in.*codex login/i), { login });
  });

  test('is not asked for where the call demands the file', async ({ codex }) => {
    await codex.config('cli_auth_credentials_store = "keyring"');
    await codex.play({ exec: DRAWS, login: NOT_LOGGED_IN });
    const config = { cli_auth_credentials_store: '"file"' };
    await expectDrawn(codex, { config });
  });
});

// On Windows no variable names it.
describe.skipIf(WINDOWS)('the home of the user', () => {
  const EXPECTED = notSignedIn(/home directory.*cannot be opened.*codex login/i);

  test.for<[what: string, make: (user: string) => Promise<void>]>([
    ['a file', (user) => writeFile(user, '')],
    ['a link to itself', (user) => symlink(user, user)],
    [
      'one whose .codex is a file',
      async (user) => {
        await mkdir(user);
        await writeFile(path.join(user, '.codex'), '');
      },
    ],
  ])('is refused: %s', async ([, make], { codex }) => {
    const HOME = path.join(codex.scratch, 'user');
    await make(HOME);
    const { CODEX_HOME: _, ...rest } = codex.env;
    const env = { ...rest, HOME };
    const login = { text: 'Error loading configuration: Not a directory', exitCode: 1 };
    await expectRefused(codex, EXPECTED, { asked: { env }, login });
  });

  // A mode is enough: `sudo -u` may keep the HOME of another user.
  test('is refused if its .codex is closed to this user', async ({ codex }) => {
    const { CODEX_HOME: _, ...env } = codex.env;
    const home = path.join(codex.user, '.codex');
    await mkdir(home);
    await chmod(home, 0);
    const login = { text: 'Error loading configuration: Permission denied', exitCode: 1 };
    await codex.play({ exec: DRAWS, login });
    const { error } = await generateInOwnProcess(codex.options({ env }), BOUND_BY_MODES);
    const { message, ...rest } = EXPECTED;
    expect(error).toMatchObject(rest);
    expect(error?.message).toMatch(message);
    await chmod(home, 0o700);
  });

  test('passes where it does not exist, because Codex makes it', async ({ codex }) => {
    const { CODEX_HOME: _, ...env } = codex.env;
    await expectDrawn(codex, { env: { ...env, HOME: path.join(codex.scratch, 'a', 'b') } });
  });
});

describe('a named home that is no directory', () => {
  const EXPECTED = notSignedIn(/home directory.*does not exist.*codex login/i);

  test.for(['option', 'variable'] as const)(
    'is refused where the %s names it',
    async (by, { codex }) => {
      const file = path.join(codex.scratch, 'file');
      await writeFile(file, '');
      for (const home of [path.join(codex.scratch, 'missing'), file, path.join(file, 'below')]) {
        const asked =
          by === 'option' ? { codexHome: home } : { env: { ...codex.env, CODEX_HOME: home } };
        await expectRefused(codex, EXPECTED, { asked });
      }
      expect(await codex.recordings()).toEqual([]);
    },
  );
});

describe('a login under a configuration that demands one', () => {
  test.for<[what: string, toml: string, auth: object, message: RegExp]>([
    [
      'an API key is demanded',
      'forced_login_method = "api"',
      CHATGPT_LOGIN,
      /does not allow to sign in with ChatGPT.*forced_login_method/,
    ],
    [
      'an API key is demanded, and used',
      'forced_login_method = "api"',
      API_KEY,
      /does not allow to sign in with ChatGPT.*forced_login_method/,
    ],
    [
      'ChatGPT is demanded',
      'forced_login_method = "chatgpt"',
      API_KEY,
      /demands to be signed in with ChatGPT.*codex login/,
    ],
    [
      'another ChatGPT workspace is demanded',
      'forced_chatgpt_workspace_id = "theirs"',
      loginTo('mine'),
      /another ChatGPT workspace.*codex login/,
    ],
    [
      'other ChatGPT workspaces are demanded',
      'forced_chatgpt_workspace_id = ["theirs", "ours"]',
      loginTo('mine'),
      /another ChatGPT workspace.*codex login/,
    ],
    [
      'a ChatGPT workspace is demanded, and the login names none',
      'forced_chatgpt_workspace_id = "theirs"',
      loginTo(null),
      /another ChatGPT workspace.*codex login/,
    ],
  ])(
    'is refused, so that Codex does not sign out: %s',
    async ([, toml, auth, message], { codex }) => {
      await codex.login(auth);
      await codex.config(toml);
      await expectRefused(codex, notSignedIn(message));
      expect(await codex.recordings()).toEqual([]);
    },
  );

  test('is refused where the call demands another one', async ({ codex }) => {
    const asked = { config: { forced_login_method: '"api"' } };
    await expectRefused(codex, notSignedIn(/forced_login_method/), { asked });
    await codex.login(loginTo('mine'));
    const other = { config: { forced_chatgpt_workspace_id: '["theirs"]' } };
    await expectRefused(codex, notSignedIn(/another ChatGPT workspace/), { asked: other });
  });

  test.for<[what: string, toml: string]>([
    ['ChatGPT', 'forced_login_method = "chatgpt"'],
    ['its ChatGPT workspace', 'forced_chatgpt_workspace_id = "mine"'],
    ['its ChatGPT workspace among others', 'forced_chatgpt_workspace_id = ["theirs", " mine "]'],
    ['no ChatGPT workspace', 'forced_chatgpt_workspace_id = " "'],
  ])('passes if it is the demanded one: %s', async ([, toml], { codex }) => {
    await codex.login(loginTo('mine'));
    await codex.config(toml);
    await expectDrawn(codex);
  });

  test('passes if it is unknown', async ({ codex }) => {
    await codex.config('forced_chatgpt_workspace_id = "theirs"');
    const unreadable = { ...CHATGPT_LOGIN.tokens, id_token: 'unreadable' };
    await codex.login({ ...CHATGPT_LOGIN, tokens: unreadable });
    await expectDrawn(codex);
    await codex.login(null);
    await expectDrawn(codex);
  });
});

describe('a model provider without image_gen', () => {
  test.for<[what: string, toml: string]>([
    ['one that is not defined', 'model_provider = "elsewhere"'],
    ['one that is blank', 'model_provider = ""'],
    [
      'one that is defined under another name',
      'model_provider = "elsewhere"\n[model_providers.else-where]\nrequires_openai_auth = true',
    ],
  ])('is refused: %s', async ([, toml], { codex }) => {
    await codex.config(toml);
    await expectRefused(codex, unavailable(/model provider `(elsewhere)?` .* not defined/));
    await expectDrawn(codex, { config: { model_provider: 'openai' } });
  });

  test('is refused where the call names it', async ({ codex }) => {
    const asked = { config: { model_provider: 'elsewhere' } };
    await expectRefused(codex, unavailable(/`elsewhere` .* not defined/), { asked });
  });

  test.for(['ollama', 'lmstudio', 'amazon-bedrock'])('is refused: %s', async (name, { codex }) => {
    await codex.config(`model_provider = "${name}"`);
    await expectRefused(codex, unavailable(new RegExp(`\`${name}\`.*does not offer it`)));
  });
});

describe('an image tool that is switched off', () => {
  const EXPECTED = unavailable(/feature image_generation is switched off/);

  test.for<[where: string, toml: string]>([
    ["the user's config.toml", '[features]\nimage_generation = false'],
    ['a profile', 'profile = "p"\n[profiles.p.features]\nimage_generation = false'],
  ])('is refused, unless the call switches it on: %s', async ([, toml], { codex }) => {
    await codex.config(toml);
    await expectRefused(codex, EXPECTED);
    await expectDrawn(codex, { config: { 'features.image_generation': 'true' } });
  });

  test('is refused where the call switches it off', async ({ codex }) => {
    await codex.config('[features]\nimage_generation = true');
    const config = { 'features.image_generation': 'false' };
    await expectRefused(codex, EXPECTED, { asked: { config } });
    const inline = { features: '{ image_generation = false }' };
    await expectRefused(codex, EXPECTED, { asked: { config: inline } });
    const disabled = codex.generate(DRAWS, {
      config: { 'features.image_generation': 'true' },
      disableFeatures: ['image_generation'],
    });
    expect(await failure(disabled)).toMatchObject({ code: 'IMAGE_GEN_UNAVAILABLE' });
  });
});
