// What the real Codex CLI would fail at is found before a request reaches the backend.

import { copyFile, link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import {
  checkCodex,
  type CheckOptions,
  type GenerateOptions,
  type Readiness,
} from '../../index.js';
import { type CodexCli, installCodex } from '../support/real/codex-cli.js';
import {
  checkInOwnProcess,
  generateInOwnProcess,
  mayOverlay,
  withEtc,
} from '../support/process/own-process.js';
import { draw, type HomeOptions, say } from '../support/loopback/backend.js';
import { WINDOWS } from '../support/platform.js';
import { PICTURE, type RealCodex, test } from '../support/real/real.js';
import type { Variant } from '../support/real/variants.js';
import { failure } from '../support/call/outcome.js';

const DRAWS = [draw({ image: PICTURE }), say('Done.')];
const HOST = `codex-code-mode-host${WINDOWS ? '.exe' : ''}`;

const [OLDEST, IN_PROCESS, EARLY, NEWEST] = await Promise.all([
  variantOf('0.132.0'),
  variantOf('0.144.6'),
  variantOf('0.150.1'),
  variantOf('0.171.0'),
]);

async function variantOf(version: string): Promise<Variant> {
  const cli = await installCodex(version);
  return { name: version, route: version === '0.132.0' ? 'hosted' : 'code', cli };
}

function check(real: RealCodex, { cli }: Variant, options: CheckOptions = {}): Promise<Readiness> {
  return checkCodex({ codexPath: cli.launcher, env: real.env, ...options });
}

/**
 * Asserts that a call fails like this without a request to the backend, and that `checkCodex`
 * reports the same.
 */
async function expectRefused(
  real: RealCodex,
  variant: Variant,
  expected: { code: string; message: RegExp },
  options: Partial<GenerateOptions> & CheckOptions = {},
): Promise<void> {
  const error = await failure(real.generate(variant, DRAWS, options));
  expect(error).toMatchObject({ code: expected.code, retryable: false });
  expect(error.message).toMatch(expected.message);
  const { problems } = await check(real, variant, options);
  expect(problems.filter(({ blocking }) => blocking)).toEqual([
    expect.objectContaining({ code: expected.code }),
  ]);
  expect(problems.map((problem) => `${problem.message} ${problem.fix}`)).toEqual([error.message]);
  expect(real.backend.requests).toEqual([]);
}

/** Makes an installation of links to the cached one, without the host. */
async function withoutHost({ scratch }: RealCodex, { cli, ...rest }: Variant): Promise<Variant> {
  const modules = path.resolve(cli.launcher, '../../../..');
  const place = path.join(scratch, 'node_modules');
  for (const entry of await readdir(modules, { recursive: true, withFileTypes: true })) {
    const from = path.join(entry.parentPath, entry.name);
    const to = path.join(place, path.relative(modules, from));
    await mkdir(path.dirname(to), { recursive: true });
    if (entry.isFile()) await link(from, to).catch(() => copyFile(from, to));
  }
  const moved = (file: string): string => path.join(place, path.relative(modules, file));
  const own: CodexCli = { ...cli, launcher: moved(cli.launcher), binary: moved(cli.binary) };
  await rm(path.join(path.dirname(own.binary), HOST), { force: true });
  return { ...rest, cli: own };
}

const INCOMPLETE = {
  code: 'IMAGE_GEN_UNAVAILABLE',
  message: /codex-code-mode-host is missing.* Reinstall Codex\.$/,
};

describe('a Codex without its codex-code-mode-host', () => {
  test.for([EARLY, NEWEST])('is seen, as npm installs it: $name', async (variant, { real }) => {
    await expectRefused(real, await withoutHost(real, variant), INCOMPLETE);
  });

  test.for([EARLY, NEWEST])('is seen, as its program alone: $name', async (variant, { real }) => {
    const { cli, ...rest } = await withoutHost(real, variant);
    await expectRefused(real, { ...rest, cli: { ...cli, launcher: cli.binary } }, INCOMPLETE);
  });

  test.for([EARLY, NEWEST])(
    'draws by a model without code mode: $name',
    async (variant, { real }) => {
      const incomplete = await withoutHost(real, variant);
      const options = { model: 'gpt-5.5', sandbox: 'read-only' } as const;
      const direct = { ...incomplete, route: 'direct' } as const;
      expect(await real.generate(direct, DRAWS, options)).toEqual(PICTURE);
    },
  );

  test('is reported by Codex where the model is named', async ({ real }) => {
    const incomplete = await withoutHost(real, NEWEST);
    await real.moveTo({ model: 'gpt-6.2-sol' });
    const error = await failure(real.generate(incomplete, DRAWS));
    expect(error).toMatchObject({ code: 'IMAGE_GEN_UNAVAILABLE', retryable: false });
    expect(error.message).toMatch(INCOMPLETE.message);
    expect(error.detail).toMatch(/failed to spawn code-mode host/);
    const found = await check(real, incomplete);
    expect(found).toMatchObject({ ready: true, imageTool: 'likely' });
    expect(found.problems).toEqual([
      expect.objectContaining({ code: 'IMAGE_GEN_UNAVAILABLE', blocking: false }),
    ]);
  });

  test('still draws up to 0.144.6', async ({ real }) => {
    const incomplete = await withoutHost(real, IN_PROCESS);
    expect(await check(real, incomplete)).toMatchObject({ ready: true, problems: [] });
    expect(await real.generate(incomplete, DRAWS)).toEqual(PICTURE);
  });

  test('is refused as well where `features.code_mode_host` is off', async ({ real }) => {
    await real.moveTo({ config: 'features.code_mode_host = false' });
    const message = /feature code_mode_host is switched off/;
    await expectRefused(real, NEWEST, { code: 'IMAGE_GEN_UNAVAILABLE', message });
    await real.moveTo({ config: 'features.code_mode_host = false', model: 'gpt-6.2-sol' });
    const error = await failure(real.generate(NEWEST, DRAWS));
    expect(error).toMatchObject({ code: 'IMAGE_GEN_UNAVAILABLE' });
    expect(error.message).toMatch(message);
  });
});

describe('an obstacle for Codex', () => {
  const VARIANTS = [OLDEST, IN_PROCESS, NEWEST];
  const CASES: readonly (HomeOptions & { what: string; code?: string; message: RegExp })[] = [
    {
      what: 'a login that another method is demanded of',
      config: 'forced_login_method = "api"',
      message: /forced_login_method/,
    },
    {
      what: 'an API key where ChatGPT is demanded',
      login: 'api-key',
      config: 'forced_login_method = "chatgpt"',
      message: /signed in with ChatGPT/,
    },
    {
      what: 'a login to another ChatGPT workspace',
      config: 'forced_chatgpt_workspace_id = ["theirs", "ours"]',
      message: /another ChatGPT workspace/,
    },
    {
      what: 'a keyring that cannot be reached',
      config: 'cli_auth_credentials_store = "keyring"',
      message: /not signed in/,
    },
    {
      what: 'a login that no other process sees',
      config: 'cli_auth_credentials_store = "ephemeral"',
      message: /not signed in/,
    },
    {
      what: 'a model provider that is not defined',
      config: 'model_provider = "nowhere"',
      code: 'IMAGE_GEN_UNAVAILABLE',
      message: /`nowhere`.*not defined/,
    },
    {
      what: 'an image tool that is switched off',
      config: 'features.image_generation = false',
      code: 'IMAGE_GEN_UNAVAILABLE',
      message: /feature image_generation is switched off/,
    },
  ];
  const each = CASES.flatMap((one) =>
    VARIANTS.map((variant) => ({ ...one, variant, name: variant.name })),
  );
  // A keyring that can be reached has no login for this home either.
  test.for(each)('is seen and left unchanged: $what, $name', async (one, { real }) => {
    const { variant, what: _, code = 'NOT_SIGNED_IN', message, name: __, ...home } = one;
    await real.moveTo(home);
    const file = path.join(real.home.path, 'auth.json');
    const login = await readFile(file, 'utf8');
    await expectRefused(real, variant, { code, message });
    expect(await readFile(file, 'utf8'), 'the login is unchanged').toBe(login);
  });

  test.for(VARIANTS)('is seen: a home that does not exist, $name', async (variant, { real }) => {
    const codexHome = path.join(real.scratch, 'missing');
    const expected = { code: 'NOT_SIGNED_IN', message: /home directory.*does not exist/ };
    await expectRefused(real, variant, expected, { codexHome });
    const env = { ...real.env, CODEX_HOME: codexHome };
    await expectRefused(real, variant, expected, { env });
  });

  // On Windows no variable names it.
  test.skipIf(WINDOWS).for(VARIANTS)(
    "is seen: a user's home that is a file, $name",
    async (variant, { real }) => {
      const HOME = path.join(real.scratch, 'file');
      await writeFile(HOME, '');
      const { CODEX_HOME: _, ...rest } = real.env;
      const env = { ...rest, HOME };
      const expected = { code: 'NOT_SIGNED_IN', message: /home directory.*cannot be opened/ };
      await expectRefused(real, variant, expected, { env });
    },
  );
});

describe('a configuration that Codex can draw with', () => {
  test.for([OLDEST, IN_PROCESS, NEWEST])('passes: $name', async (variant, { real }) => {
    const config = [
      'forced_login_method = "chatgpt"',
      'forced_chatgpt_workspace_id = ["theirs", "loopback-account"]',
      'cli_auth_credentials_store = "auto"',
      'features.image_generation = false',
    ];
    await real.moveTo({ config: config.join('\n') });
    const options = { config: { 'features.image_generation': 'true' } };
    expect(await check(real, variant, options)).toMatchObject({ ready: true, problems: [] });
    expect(await real.generate(variant, DRAWS, options)).toEqual(PICTURE);
  });
});

describe('a tool switched off by its earlier name', () => {
  const config = 'features.imagegenext = false';

  test('is refused by the versions that have renamed it', async ({ real }) => {
    await real.moveTo({ config });
    const message = /feature imagegenext is switched off/;
    await expectRefused(real, NEWEST, { code: 'IMAGE_GEN_UNAVAILABLE', message });
  });

  test.for([OLDEST, NEWEST])(
    'draws where its present name is on: $name',
    async (variant, { real }) => {
      await real.moveTo({ config: `${config}\nfeatures.image_generation = true` });
      expect(await check(real, variant)).toMatchObject({ ready: true, problems: [] });
      expect(await real.generate(variant, DRAWS)).toEqual(PICTURE);
    },
  );

  test('was another tool in 0.142.5, which draws', async ({ real }) => {
    const earlier = await variantOf('0.142.5');
    await real.moveTo({
      config: 'features.image_generation = false\nfeatures.imagegenext = true',
    });
    expect(await check(real, earlier)).toMatchObject({ ready: true, problems: [] });
    expect(await real.generate({ ...earlier, route: 'direct' }, DRAWS)).toEqual(PICTURE);
  });
});

// Replacing /etc needs Linux and the right to mount.
describe.skipIf(!mayOverlay())("a requirement of this machine's administrator", () => {
  test.for<[what: string, requirements: string, code: string]>([
    ['no image tool', '[features]\nimage_generation = false', 'IMAGE_GEN_UNAVAILABLE'],
    [
      'no image tool, by the earlier name of the table',
      '[feature_requirements]\nimage_generation = false',
      'IMAGE_GEN_UNAVAILABLE',
    ],
    [
      'no image tool, by its earlier name',
      '[features]\nimagegenext = false',
      'IMAGE_GEN_UNAVAILABLE',
    ],
    ['another login method', 'allowed_login_methods = ["api"]', 'NOT_SIGNED_IN'],
    ['another ChatGPT workspace', 'allowed_chatgpt_workspaces = ["theirs"]', 'NOT_SIGNED_IN'],
    ['another store of credentials', 'cli_auth_credentials_store = "keyring"', 'NOT_SIGNED_IN'],
  ])('is seen: %s', async ([, requirements, code], { real }) => {
    const etc = path.join(real.scratch, 'etc');
    await mkdir(path.join(etc, 'codex'), { recursive: true });
    await writeFile(path.join(etc, 'codex', 'requirements.toml'), requirements);
    const wrapper = withEtc(etc);
    await real.moveTo({ config: 'features.image_generation = true' });
    real.backend.play(DRAWS);
    const { error } = await generateInOwnProcess(real.options(NEWEST), wrapper);
    expect(error).toMatchObject({ code });
    expect(real.backend.requests).toEqual([]);
    const { codexPath, env } = real.options(NEWEST);
    const readiness = await checkInOwnProcess({ codexPath, env }, wrapper);
    expect(readiness.problems).toEqual([expect.objectContaining({ code, blocking: true })]);
  });
});
