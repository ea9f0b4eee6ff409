// The daemon's settings, environment and resolvers, as they reach the CLI.

import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import { afterEach, describe, expect, vi } from 'vitest';

import {
  type CodexCliImage,
  type CodexCliImageError,
  renderCodexCliImage,
  type RenderContext,
  type RenderOverrides,
} from '../../dist/open-design.mjs';
import { generateCodexImage } from '../../index.js';
import { inOwnRealm } from '../support/process/own-realm.js';
import { WINDOWS } from '../support/platform.js';
import { PICTURE, png } from '../support/image/small-png.js';
import { valuesOf } from '../support/call/arguments.js';
import { failure } from '../support/call/outcome.js';
import { save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';

async function render(
  codex: StubCodex,
  overrides: RenderOverrides,
  context: Partial<RenderContext> = {},
): Promise<CodexCliImage> {
  await codex.play(turn(save('store', PICTURE)));
  const asked: RenderContext = { surface: 'image', prompt: 'a red fox', ...context };
  return renderCodexCliImage(asked, undefined, overrides);
}

/** What Codex was started with. */
async function argumentsOf(codex: StubCodex, overrides: RenderOverrides): Promise<string[]> {
  await render(codex, overrides);
  return (await codex.turn()).args;
}

async function refusal(codex: StubCodex, overrides: RenderOverrides): Promise<CodexCliImageError> {
  const error = await failure(render(codex, overrides));
  expect(await codex.recordings()).toEqual([]);
  return error;
}

describe('the environment of Codex', () => {
  const KEY_LOGIN = JSON.stringify({ auth_mode: 'apikey', OPENAI_API_KEY: 'sk-made-up' });
  afterEach(() => void vi.unstubAllEnvs());

  test('is process.env by default', async ({ codex }) => {
    for (const [name, value] of Object.entries(codex.env)) vi.stubEnv(name, value);
    vi.stubEnv('CODEX_BIN', SCRIPT_STUB);
    expect((await render(codex, {})).bytes).toEqual(PICTURE);
    expect((await codex.turn()).env).toMatchObject({ CODEX_HOME: codex.home });
  });

  test("is the daemon's environment where given", async ({ codex }) => {
    vi.stubEnv('CODEX_BIN', '/nowhere/codex');
    vi.stubEnv('ONLY_OF_THE_DAEMON', '1');
    await render(codex, { environment: { ...codex.env, CODEX_BIN: SCRIPT_STUB } });
    expect((await codex.turn()).env).not.toHaveProperty('ONLY_OF_THE_DAEMON');
  });

  test("has the saved settings before the daemon's", async ({ codex }) => {
    await writeFile(path.join(codex.scratch, 'auth.json'), KEY_LOGIN);
    const environment = { ...codex.env, CODEX_HOME: codex.scratch, CODEX_BIN: '/nowhere/codex' };
    const agentCliEnv = { CODEX_HOME: codex.home, CODEX_BIN: SCRIPT_STUB };
    await render(codex, { environment, agentCliEnv });
    expect((await codex.turn()).env).toMatchObject({ CODEX_HOME: codex.home });
  });

  test("has the daemon's executable before CODEX_BIN", async ({ codex }) => {
    const environment = { ...codex.env, CODEX_BIN: '/nowhere/codex' };
    await render(codex, { environment, executable: SCRIPT_STUB });
    expect((await codex.turn()).program).toBe(SCRIPT_STUB);
  });

  test('has no other Codex where the named one is missing', async ({ codex }) => {
    const executable = path.join(codex.scratch, 'codex');
    const error = await refusal(codex, { executable, environment: codex.env });
    expect(error).toMatchObject({ code: 'CODEX_NOT_FOUND', status: 424, retryable: false });
    expect(error.message).toMatch(/there is no such file/);
  });

  test('lacks undefined variables', async ({ codex }) => {
    const environment = { ...codex.env, CODEX_BIN: SCRIPT_STUB, NOT_SET: undefined };
    await render(codex, { environment });
    expect((await codex.turn()).env).not.toHaveProperty('NOT_SET');
  });
});

describe('OD_CODEX_SANDBOX', () => {
  test.for<[value: string | undefined, sandbox: string]>([
    [undefined, 'workspace-write'],
    ['danger-full-access', 'danger-full-access'],
    [' danger-full-access ', 'danger-full-access'],
    ['', 'workspace-write'],
    ['read-only', 'workspace-write'],
    ['DANGER-FULL-ACCESS', 'workspace-write'],
    ['1', 'workspace-write'],
  ])('chooses by %j: %s, but none on Windows', async ([value, elsewhere], { codex }) => {
    const sandbox = WINDOWS ? 'danger-full-access' : elsewhere;
    const environment = { ...codex.env, OD_CODEX_SANDBOX: value };
    const args = await argumentsOf(codex, { executable: SCRIPT_STUB, environment });
    expect(valuesOf('--sandbox', args)).toEqual([sandbox]);
    const network = valuesOf('-c', args).includes('sandbox_workspace_write.network_access=true');
    expect(network).toBe(sandbox === 'workspace-write');
  });

  test('is not needed under WSL', async ({ codex }) => {
    const environment = { ...codex.env, WSL_DISTRO_NAME: 'Ubuntu' };
    const args = await argumentsOf(codex, { executable: SCRIPT_STUB, environment });
    expect(valuesOf('--sandbox', args)).toEqual(['danger-full-access']);
  });

  test("is overruled by the daemon's own resolver", async ({ codex }) => {
    const environment = { ...codex.env, OD_CODEX_SANDBOX: 'danger-full-access' };
    const overrides = { executable: SCRIPT_STUB, environment, sandbox: 'workspace-write' } as const;
    expect(valuesOf('--sandbox', await argumentsOf(codex, overrides))).toEqual(['workspace-write']);
  });
});

describe('OD_CODEX_DISABLE_PLUGINS', () => {
  test.for<[value: string | undefined, disables: boolean]>([
    ['1', true],
    [undefined, false],
    ['', false],
    ['0', false],
    ['true', false],
  ])('disables plugins by %j: %s', async ([value, disables], { codex }) => {
    const environment = { ...codex.env, OD_CODEX_DISABLE_PLUGINS: value };
    const args = await argumentsOf(codex, { executable: SCRIPT_STUB, environment });
    expect(valuesOf('--disable', args).includes('plugins')).toBe(disables);
  });
});

describe('OD_CODEX_IMAGE_TIMEOUT_MS', () => {
  const MAX = 2_147_483_647;
  const within = (codex: StubCodex, value: string, timeoutMs?: number): RenderOverrides => ({
    executable: SCRIPT_STUB,
    environment: { ...codex.env, OD_CODEX_IMAGE_TIMEOUT_MS: value },
    timeoutMs,
  });

  test('limits the whole call', async ({ codex }) => {
    const error = await refusal(codex, within(codex, '1'));
    expect(error).toMatchObject({ code: 'TIMEOUT', status: 504, retryable: true });
    expect(error.message).toContain('within 0.001 s');
  });

  test.for(['', '  ', ' 60000 ', '007000', String(MAX)])('may be %j', async (value, { codex }) => {
    expect((await render(codex, within(codex, value))).bytes).toEqual(PICTURE);
  });

  test.for(['0', '-1', '1.5', '5m', '60s', '1e4', '0x10', 'Infinity', 'NaN', String(MAX + 1)])(
    'must not be %j',
    async (value, { codex }) => {
      const error = await refusal(codex, within(codex, value));
      expect(error).toMatchObject({ code: 'INVALID_OPTIONS', status: 400, retryable: false });
      expect(error).toMatchObject({ name: 'CodexImageError', option: 'OD_CODEX_IMAGE_TIMEOUT_MS' });
      expect(error).toBeInstanceOf(TypeError);
      const rule = `it must be a whole number of milliseconds from 1 to ${MAX}`;
      expect(error.message).toBe(`Invalid option \`OD_CODEX_IMAGE_TIMEOUT_MS\`: ${rule}.`);
    },
  );

  test("is overruled by the daemon's value", async ({ codex }) => {
    expect((await render(codex, within(codex, 'whatever', MAX))).bytes).toEqual(PICTURE);
    const error = await failure(render(codex, within(codex, '60000', 1)));
    expect(error).toMatchObject({ code: 'TIMEOUT' });
  });

  test('is not named for a limit that the daemon has decided', async ({ codex }) => {
    const error = await refusal(codex, within(codex, '60000', MAX + 1));
    expect(error.option).toBe('timeoutMs');
    expect(error.message).toContain(`to ${MAX}`);
  });

  test.for([null, undefined, 'stop', { option: 'timeoutMs' }])(
    'leaves the reason %j of an abort as it is',
    async (reason, { codex }) => {
      const signal = AbortSignal.abort(reason);
      const given = within(codex, '60000');
      const call = renderCodexCliImage({ surface: 'image', prompt: 'x' }, null, {
        ...given,
        signal,
      });
      await expect(call).rejects.toBe(signal.reason);
    },
  );
});

describe('a reference image', () => {
  const FIRST = png({ seed: 2 });

  test.for<[what: string, context: (ref: { abs: string }) => Partial<RenderContext>]>([
    ['only as the first', (ref) => ({ imageRef: ref })],
    ['only in the list', (ref) => ({ imageRefs: [ref] })],
    ['null as the first', (ref) => ({ imageRef: null, imageRefs: [ref] })],
    ['both', (ref) => ({ imageRef: ref, imageRefs: [ref] })],
    ['both, as different objects', (ref) => ({ imageRef: ref, imageRefs: [{ ...ref }] })],
  ])('is passed on once: %s', async ([, context], { codex }) => {
    const abs = path.join(codex.scratch, 'first.png');
    await writeFile(abs, FIRST);
    await render(codex, { executable: SCRIPT_STUB, environment: codex.env }, context({ abs }));
    expect((await codex.turn()).cwdEntries).toEqual(['reference-1.png']);
  });

  test('is typed by its file alone', async ({ codex }) => {
    const abs = path.join(codex.scratch, 'first.gif');
    await writeFile(abs, FIRST);
    const dataUrl = 'data:image/gif;base64,R0lGODlhAQABAAAAADs=';
    const ref = { abs, path: 'first.gif', mime: 'image/gif', size: 5, dataUrl };
    await render(codex, { executable: SCRIPT_STUB, environment: codex.env }, { imageRef: ref });
    expect((await codex.turn()).cwdEntries).toEqual(['reference-1.png']);
  });
});

const commonjs: { renderCodexCliImage: typeof renderCodexCliImage } = createRequire(
  import.meta.url,
)('../../dist/open-design.js');

test.for([
  ['ESM', renderCodexCliImage],
  ['CommonJS', commonjs.renderCodexCliImage],
] as const)("an error of the %s build has the members of the addon's", async ([, renderer]) => {
  const theirs = await failure(generateCodexImage({ prompt: '' }));
  const ours = await failure(renderer({ surface: 'video', prompt: 'a red fox' }));
  expect(ours).toBeInstanceOf(TypeError);
  expect(theirs).toBeInstanceOf(TypeError);
  expect(shapeOf(ours)).toEqual(shapeOf(theirs));
  expect(ours.stack).toMatch(/^CodexImageError: The Codex CLI draws images only\.\n {4}at /);
});

/** Returns the attributes of each own member. */
function shapeOf(error: Error): Record<string, PropertyDescriptor> {
  const members = Object.entries(Object.getOwnPropertyDescriptors(error));
  return Object.fromEntries(
    members.map(([name, member]) => [name, { ...member, value: typeof member.value }]),
  );
}

test('the note leaves out an aspect that was not requested', async ({ codex }) => {
  const { providerNote } = await render(codex, { executable: SCRIPT_STUB, environment: codex.env });
  const size = `${PICTURE.length} bytes`;
  expect(providerNote).toBe(`codex-cli/image_gen · ${size} · ChatGPT subscription (no API key)`);
});

describe('a polluted Object.prototype', () => {
  const RENDERER = new URL('../../dist/open-design.mjs', import.meta.url).href;
  const NAMES =
    'surface prompt aspect imageRef imageRefs abs executable environment agentCliEnv sandbox ' +
    'timeoutMs signal OD_CODEX_IMAGE_TIMEOUT_MS OD_CODEX_DISABLE_PLUGINS OD_CODEX_SANDBOX CODEX_BIN';
  const POLLUTED = `
    const { renderCodexCliImage } = await import('${RENDERER}');
    // Loads the addon first: Node's loader reads the prototypes polluted below.
    await told(() => renderCodexCliImage({ surface: 'image', prompt: '' }));
    const pollute = (prototype, name, value) =>
      defineProperty(prototype, name, { value, writable: true, configurable: true });
    for (const name of ${JSON.stringify(NAMES.split(' '))}) pollute(Object.prototype, name, 'danger-full-access');
    pollute(Array.prototype, 0, { abs: '/nowhere/fox.png' });
    const { codexPath: executable, env: environment } = options;
    const told_ = async (...args) => {
      const end = await told(() => renderCodexCliImage(...args));
      return end.resolved ? end.resolved.bytes.toString('base64') : end;
    };`;
  const DRAWN = PICTURE.toString('base64');

  test('gives no option', async ({ codex }) => {
    await codex.play(turn(save('store', PICTURE)));
    const program = `${POLLUTED}
      const overrides = { executable, environment };
      return [
        await told_({ surface: 'image', prompt: 'a red fox', imageRefs: [,] }, null, overrides),
        await told_({ surface: 'image' }, null, overrides),
        await told_({ prompt: 'a red fox' }, null, overrides),
      ];`;
    expect(await inOwnRealm(program, codex.options())).toMatchObject([
      DRAWN,
      { rejected: { code: 'INVALID_OPTIONS', message: expect.stringContaining('`prompt`') } },
      { rejected: { code: 'INVALID_OPTIONS', message: expect.stringContaining('images only') } },
    ]);
    const { args, cwdEntries } = await codex.turn();
    expect(args).not.toContain('danger-full-access');
    expect(cwdEntries).toEqual([]);
  });

  test('hides no option', async ({ codex }) => {
    await codex.play(turn(save('store', PICTURE)));
    const program = `${POLLUTED}
      class Context { get surface() { return 'image'; } get prompt() { return 'a red fox'; } }
      const overrides = Object.assign(Object.create(null), { executable, environment });
      return [await told_(new Context(), null, Object.create(overrides))];`;
    expect(await inOwnRealm(program, codex.options())).toEqual([DRAWN]);
  });
});
