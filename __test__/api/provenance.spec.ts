// Attempts to pass off another image as one of image_gen. It may be returned where the
// documentation says so, and is never `verified`.

import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect, onTestFinished } from 'vitest';

import { type GenerateOptions } from '../../index.js';
import {
  AS_COUNTED_USER,
  AS_MOUNTER,
  COUNTED_USER,
  generateInOwnProcess,
  mayBeCounted,
} from '../support/process/own-process.js';
import { installFromNpm, PLATFORM_PACKAGE, VENDOR } from '../support/npm/npm-layout.js';
import { LINUX, TEMPORARY, WINDOWS } from '../support/platform.js';
import { png } from '../support/image/small-png.js';
import { CHATGPT_LOGIN } from '../support/call/login.mjs';
import { failure } from '../support/call/outcome.js';
import { addToRollout, HANG, save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

const DRAWN = png({ seed: 1 });
const FAKED = png({ seed: 2 });
const OLD = png({ seed: 3 });

const ID = '0199d2c4-aaaa-7000-8000-0123456789ab';
const ANOTHER_ID = '0199d2c4-bbbb-7000-8000-0123456789ab';
const KNOWN_THREAD: Step = { do: 'thread', id: ID };
const LONG_AGO = new Date('2024-01-01');

/** Writes a file from before the run into the store of a thread. */
async function leaveStored(
  codex: StubCodex,
  { thread = ID, bytes = OLD, since = LONG_AGO },
): Promise<void> {
  const directory = path.join(codex.home, 'generated_images', thread);
  await mkdir(directory, { recursive: true });
  const file = path.join(directory, 'ig_1.png');
  await writeFile(file, bytes);
  await utimes(file, since, since);
}

/** Makes a home with a login. */
async function homeAt(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, 'auth.json'), JSON.stringify(CHATGPT_LOGIN));
  return directory;
}

/** Asserts that the image is returned unverified, and not at all with `requireVerified`. */
async function expectUnverified(
  codex: StubCodex,
  steps: Step[],
  source: 'store' | 'workspace',
  options: Partial<GenerateOptions> = {},
): Promise<void> {
  const image = await codex.generateDetailed(steps, options);
  expect(image).toMatchObject({ source, verified: false });
  expect(image).not.toHaveProperty('revisedPrompt');
  const error = await failure(codex.generate(steps, { ...options, requireVerified: true }));
  expect(error).toMatchObject({ code: 'NO_IMAGE', status: 502, retryable: true });
  expect(error.message).toMatch(/no image at the requested path that provably came/);
}

/** Asserts that the image is returned as verified, with `requireVerified` as well. */
async function expectVerified(
  codex: StubCodex,
  steps: Step[],
  source: 'store' | 'workspace' | 'rollout',
  options: Partial<GenerateOptions> = {},
): Promise<void> {
  for (const requireVerified of [false, true]) {
    const image = await codex.generateDetailed(steps, { ...options, requireVerified });
    expect(image).toMatchObject({ png: DRAWN, source, verified: true });
  }
}

describe.for(['image', 'exit'] as const)(
  "a copy in the workspace, completion '%s'",
  (completion) => {
    test('is not verified if the agent drew it with its shell', async ({ codex }) => {
      await expectUnverified(codex, turn(save('workspace', FAKED)), 'workspace', { completion });
    });

    test("is not verified if it comes from another thread's store", async ({ codex }) => {
      await leaveStored(codex, { thread: ANOTHER_ID, since: new Date() });
      const steps = turn(addToRollout('item', OLD, { thread: ANOTHER_ID }), save('workspace', OLD));
      await expectUnverified(codex, steps, 'workspace', { completion });
    });

    test("is not verified if it comes from an old file in this thread's store", async ({
      codex,
    }) => {
      await leaveStored(codex, {});
      const steps = [KNOWN_THREAD, save('workspace', OLD)];
      await expectUnverified(codex, steps, 'workspace', { completion });
    });

    test('is not verified if another tool of the agent returned it', async ({ codex }) => {
      const steps = turn(addToRollout('output', FAKED), save('workspace', FAKED));
      await expectUnverified(codex, steps, 'workspace', { completion });
    });

    test('is not verified in a run without a thread', async ({ codex }) => {
      const steps = [addToRollout('item', FAKED), save('workspace', FAKED)];
      await expectUnverified(codex, steps, 'workspace', { completion });
    });

    test('is passed over for the image in the rollout with requireVerified', async ({ codex }) => {
      const steps = turn(addToRollout('end', DRAWN), save('workspace', FAKED));
      const image = await codex.generateDetailed(steps, { completion });
      expect(image).toMatchObject({ png: FAKED, source: 'workspace', verified: false });
      const insisted = await codex.generateDetailed(steps, { completion, requireVerified: true });
      expect(insisted).toMatchObject({ png: DRAWN, source: 'rollout', verified: true });
    });

    test('is verified if the rollout has the same image', async ({ codex }) => {
      const steps = turn(
        addToRollout('end', FAKED, { revisedPrompt: 'the first' }),
        addToRollout('end', DRAWN, { revisedPrompt: 'the second' }),
        save('workspace', DRAWN),
      );
      await expectVerified(codex, steps, 'workspace', { completion });
      const image = await codex.generateDetailed(steps, { completion });
      expect(image.revisedPrompt).toBe('the second');
    });
  },
);

describe('a copy that differs from the store', () => {
  const steps = turn(save('workspace', FAKED), save('store', DRAWN));

  test("is passed over with completion 'image'", async ({ codex }) => {
    await expectVerified(codex, steps, 'store');
  });

  test("is returned unverified with completion 'exit'", async ({ codex }) => {
    const image = await codex.generateDetailed(steps, { completion: 'exit' });
    expect(image).toMatchObject({ png: FAKED, source: 'workspace', verified: false });
  });

  test("is passed over with completion 'exit' and requireVerified", async ({ codex }) => {
    const options = { completion: 'exit', requireVerified: true } as const;
    const image = await codex.generateDetailed(steps, options);
    expect(image).toMatchObject({ png: DRAWN, source: 'store', verified: true });
  });
});

describe('a copy that is the same as in the store', () => {
  test.for([
    ['image', 'store'],
    ['exit', 'workspace'],
  ] as const)("is verified, completion '%s': %s", async ([completion, source], { codex }) => {
    const steps = turn(save('store', DRAWN), save('workspace', DRAWN));
    await expectVerified(codex, steps, source, { completion });
  });

  test('is verified though the store has several images', async ({ codex }) => {
    const steps = turn(
      save('store', FAKED, { name: 'a.png' }),
      save('store', DRAWN, { name: 'b.png' }),
      save('workspace', DRAWN),
    );
    await expectVerified(codex, steps, 'workspace', { completion: 'exit' });
  });

  test('is not verified after a change of one byte', async ({ codex }) => {
    const changed = Buffer.concat([DRAWN, Buffer.from([0])]);
    const steps = turn(save('store', DRAWN), save('workspace', changed));
    const image = await codex.generateDetailed(steps, { completion: 'exit' });
    expect(image).toMatchObject({ png: changed, verified: false });
  });
});

describe('a second `thread.started`', () => {
  const another: Step = { do: 'emit', event: { type: 'thread.started', thread_id: ANOTHER_ID } };

  test("does not make another thread's image this one's", async ({ codex }) => {
    const steps = [KNOWN_THREAD, another, save('store', FAKED, { thread: ANOTHER_ID })];
    const error = await failure(codex.generate(steps));
    expect(error).toMatchObject({ code: 'NO_IMAGE', threadId: ID });
  });

  test.for(['image', 'exit'] as const)(
    "does not hide this thread's image, completion '%s'",
    async (completion, { codex }) => {
      const image = await codex.generateDetailed(turn(another, save('store', DRAWN)), {
        completion,
      });
      const { threadId } = await codex.turn();
      expect(image).toMatchObject({ png: DRAWN, source: 'store', verified: true, threadId });
    },
  );
});

describe('a file that is older than the run', () => {
  test.for(['image', 'exit'] as const)(
    "is never taken, completion '%s'",
    async (completion, { codex }) => {
      await leaveStored(codex, {});
      const error = await failure(codex.generate([KNOWN_THREAD], { completion }));
      expect(error).toMatchObject({ code: 'NO_IMAGE', threadId: ID });
    },
  );

  test('is not taken though it is only a minute old', async ({ codex }) => {
    await leaveStored(codex, { since: new Date(Date.now() - 60_000) });
    expect(await failure(codex.generate([KNOWN_THREAD]))).toMatchObject({ code: 'NO_IMAGE' });
  });

  test('does not hide a new one', async ({ codex }) => {
    await leaveStored(codex, {});
    await expectVerified(codex, [KNOWN_THREAD, save('store', DRAWN), HANG], 'store');
  });
});

// A network disk has its own clock. A clock may be set back, and a machine be suspended.
describe('an image dated before the run, in a directory dated within it', () => {
  const modified = LONG_AGO.toISOString();
  const drawn = save('store', DRAWN, { modified });

  test.for(['image', 'exit'] as const)(
    "is taken, completion '%s'",
    async (completion, { codex }) => {
      await expectVerified(codex, turn(drawn), 'store', { completion });
    },
  );

  test('is taken before Codex ends', async ({ codex }) => {
    await expectVerified(codex, turn(drawn, HANG), 'store', { timeoutMs: 20_000 });
  });

  test('verifies its copy', async ({ codex }) => {
    const steps = turn(drawn, save('workspace', DRAWN));
    await expectVerified(codex, steps, 'workspace', { completion: 'exit' });
  });

  test("is taken beside other threads' directories", async ({ codex }) => {
    await leaveStored(codex, { thread: ANOTHER_ID });
    await expectVerified(codex, turn(drawn), 'store');
  });

  test('is not taken from a directory that existed before the run', async ({ codex }) => {
    await leaveStored(codex, { bytes: FAKED });
    const steps = [KNOWN_THREAD, drawn];
    expect(await failure(codex.generate(steps))).toMatchObject({ code: 'NO_IMAGE', threadId: ID });
  });
});

describe('a store that the agent can write to', () => {
  /** Saved by the stub, as Codex or as the agent would. */
  const planted = turn(save('store', FAKED));

  type Place = [where: string, place: (codex: StubCodex) => Promise<string>];
  const BELOW_SLASH_TMP: Place = [
    'below /tmp, whatever TMPDIR says',
    async () => {
      const directory = await mkdtemp('/tmp/codex-image-test-');
      onTestFinished(() => rm(directory, { recursive: true }));
      return homeAt(path.join(directory, 'home'));
    },
  ];
  const WRITABLE: Place[] = [
    ['below the temporary directory', async (codex) => homeAt(await codex.ownTemporary('home'))],
    [
      'below the temporary directory, by another name',
      async (codex) => {
        const alias = path.join(codex.scratch, 'alias');
        await symlink(await homeAt(await codex.ownTemporary('home')), alias, 'junction');
        return alias;
      },
    ],
    ...(WINDOWS ? [] : [BELOW_SLASH_TMP]),
    [
      'elsewhere, with a store below the temporary directory',
      async (codex) => {
        const store = path.join(codex.home, 'generated_images');
        await symlink(await codex.ownTemporary('images'), store, 'junction');
        return codex.home;
      },
    ],
  ];

  test.for(WRITABLE)('verifies no image: %s', async ([, place], { codex }) => {
    const env = { ...codex.env, CODEX_HOME: await place(codex) };
    await expectUnverified(codex, planted, 'store', { env });
  });

  test.for(WRITABLE)('verifies no copy: %s', async ([, place], { codex }) => {
    const env = { ...codex.env, CODEX_HOME: await place(codex) };
    const steps = turn(save('store', FAKED), save('workspace', FAKED));
    await expectUnverified(codex, steps, 'workspace', { env, completion: 'exit' });
  });

  test('verifies no image where codexHome names it', async ({ codex }) => {
    const codexHome = await homeAt(await codex.ownTemporary('home'));
    await expectUnverified(codex, planted, 'store', { codexHome });
  });
});

describe('a store that the agent cannot write to', () => {
  test('verifies an image in a home around the temporary directory', async ({ codex }) => {
    const temporary = path.join(codex.home, 'tmp');
    await mkdir(temporary);
    const env = { ...codex.env, [TEMPORARY]: temporary };
    await expectVerified(codex, turn(save('store', DRAWN)), 'store', { env });
  });

  test('verifies an image under read-only in a home below the temporary directory', async ({
    codex,
  }) => {
    const env = { ...codex.env, CODEX_HOME: await homeAt(await codex.ownTemporary('home')) };
    const options = { env, sandbox: 'read-only' } as const;
    await expectVerified(codex, turn(save('store', DRAWN)), 'store', options);
  });

  test('returns no image behind a link', async ({ codex }) => {
    const outside = path.join(codex.scratch, 'outside');
    await mkdir(outside);
    await writeFile(path.join(outside, 'ig_1.png'), FAKED);
    await mkdir(path.join(codex.home, 'generated_images'));
    await symlink(outside, path.join(codex.home, 'generated_images', ID), 'junction');
    expect(await failure(codex.generate([KNOWN_THREAD]))).toMatchObject({ code: 'NO_IMAGE' });
  });
});

describe("sandbox 'danger-full-access'", () => {
  const sandbox = 'danger-full-access';

  test('leaves an image in the store unverified', async ({ codex }) => {
    await expectUnverified(codex, turn(save('store', FAKED)), 'store', { sandbox });
  });

  test('leaves a copy of it unverified', async ({ codex }) => {
    const steps = turn(save('store', FAKED), save('workspace', FAKED));
    await expectUnverified(codex, steps, 'workspace', { sandbox, completion: 'exit' });
  });

  test('leaves an image unverified where the environment chooses the sandbox', async ({
    codex,
  }) => {
    const env = { ...codex.env, OD_CODEX_SANDBOX: 'danger-full-access' };
    const options = { env, sandbox: 'auto' } as const;
    await expectUnverified(codex, turn(save('store', FAKED)), 'store', options);
  });

  test('leaves an image in the rollout verified', async ({ codex }) => {
    const drawn = [addToRollout('item', DRAWN, { revisedPrompt: 'a fox' }), save('store', DRAWN)];
    await expectVerified(codex, turn(...drawn), 'store', { sandbox });
    const image = await codex.generateDetailed(turn(...drawn), { sandbox });
    expect(image.revisedPrompt).toBe('a fox');
    const copied = turn(...drawn, save('workspace', DRAWN));
    await expectVerified(codex, copied, 'workspace', { sandbox, completion: 'exit' });
  });

  test('leaves an image unverified that another tool returned', async ({ codex }) => {
    const steps = turn(addToRollout('output', FAKED), save('store', FAKED));
    await expectUnverified(codex, steps, 'store', { sandbox });
  });
});

describe('a setting that may widen the sandbox', () => {
  const planted = turn(save('store', FAKED));

  test.for<[key: string, value: string]>([
    ['sandbox_workspace_write.writable_roots', '["/"]'],
    ['sandbox_workspace_write', '{writable_roots=["/"]}'],
    [' sandbox_workspace_write.writable_roots', '["/"]'],
    ['sandbox_mode', '"danger-full-access"'],
    ['sandbox_permissions', '["disk-full-read-access"]'],
    ['permissions.mine.filesystem', '{"/"="write"}'],
    ['default_permissions', '"mine"'],
    ['profile', '"work"'],
    ['profiles.work.sandbox_mode', '"danger-full-access"'],
    ['approval_policy', '"on-request"'],
    ['mcp_servers.files.command', '"a-server"'],
    ['features.hooks', 'true'],
    ['hooks.stop', '["a-program"]'],
  ])('leaves an image unverified: config %s', async ([key, value], { codex }) => {
    await expectUnverified(codex, planted, 'store', { config: { [key]: value } });
  });

  test('leaves an image unverified: lean false', async ({ codex }) => {
    await expectUnverified(codex, planted, 'store', { lean: false });
  });
});

test('a setting that cannot widen the sandbox leaves an image verified', async ({ codex }) => {
  await expectVerified(codex, turn(save('store', DRAWN)), 'store', {
    config: { model_reasoning_effort: '"high"', service_tier: '"flex"' },
    disableFeatures: ['plugins'],
    model: 'gpt-5',
    networkAccess: true,
  });
});

describe('the sandbox that the rollout states', () => {
  const drawnUnder = (states: Record<string, unknown> | null): Step[] => [
    { do: 'thread', states },
    save('store', DRAWN),
  ];
  const policy = (type: string, more: object = {}): object => ({
    sandbox_policy: { type, ...more },
  });
  const profile = (...entries: object[]): object => ({
    permission_profile: { type: 'managed', file_system: { type: 'restricted', entries } },
  });
  const writes = (place: object): object => ({ path: place, access: 'write' });

  test.for<[what: string, states: (codex: StubCodex) => object]>([
    ['another sandbox', () => policy('danger-full-access')],
    ['an unknown sandbox', () => policy('something-new')],
    ['no sandbox', () => ({ sandbox_policy: null })],
    ['approvals that may be given', () => ({ approval_policy: 'on-request' })],
    ['another directory', ({ scratch }) => ({ cwd: scratch })],
    [
      'a writable directory around the store',
      ({ home }) => policy('workspace-write', { writable_roots: [home] }),
    ],
    [
      'a writable directory around the rollout',
      ({ home }) => profile(writes({ type: 'path', path: path.join(home, 'sessions', '2026') })),
    ],
    [
      'a writable place without a name',
      () => profile(writes({ type: 'special', value: { kind: 'root' } })),
    ],
    ['disabled permissions', () => ({ permission_profile: { type: 'disabled' } })],
  ])('leaves an image unverified if it contradicts: %s', async ([, states], { codex }) => {
    const steps = drawnUnder(states(codex) as Record<string, unknown>);
    const image = await codex.generateDetailed(steps);
    expect(image).toMatchObject({
      source: 'store',
      verified: false,
      warnings: [expect.stringMatching(/^The picture is not verified: .*sandbox/)],
    });
    const error = await failure(codex.generate(steps, { requireVerified: true }));
    expect(error).toMatchObject({ code: 'NO_IMAGE' });
  });

  test('leaves an image in the rollout unverified if it contradicts', async ({ codex }) => {
    const [thread, saved] = drawnUnder({ sandbox_policy: { type: 'danger-full-access' } });
    const steps = [thread, addToRollout('item', DRAWN), saved] as Step[];
    expect(await codex.generateDetailed(steps)).toMatchObject({ verified: false });
    const inRollout = [thread, addToRollout('item', DRAWN)] as Step[];
    const image = await codex.generateDetailed(inRollout);
    expect(image).toMatchObject({ source: 'rollout', verified: false });
  });

  test('leaves only images in the rollout verified if it is missing', async ({ codex }) => {
    await expectUnverified(codex, drawnUnder(null), 'store');
    const [thread, saved] = drawnUnder(null);
    const steps = [thread, addToRollout('item', DRAWN), saved] as Step[];
    await expectVerified(codex, steps, 'store');
  });

  test('leaves an image verified if other directories are writable as well', async ({ codex }) => {
    const { home, scratch } = codex;
    const elsewhere = policy('workspace-write', { writable_roots: [scratch] });
    const steps = drawnUnder(elsewhere as Record<string, unknown>);
    await expectVerified(codex, steps, 'store');
    const memories = policy('workspace-write', { writable_roots: [path.join(home, 'memories')] });
    const image = await codex.generateDetailed(drawnUnder(memories as Record<string, unknown>));
    expect(image).toMatchObject({
      verified: true,
      warnings: [expect.stringMatching(/^This version of Codex lets its agent write .*memories/)],
    });
  });
});

// On other systems root is confined like every user.
describe.skipIf(!LINUX)('the user whom the agent runs as', () => {
  const steps = turn(addToRollout('item', DRAWN), save('store', DRAWN));
  const NATIVE = path.join(PLATFORM_PACKAGE, VENDOR, 'bin', 'codex');

  test.for([
    { version: '0.150.1', holds: false },
    { version: '0.153.4', holds: true },
  ])(
    'makes images unverified if it is root, up to 0.153.3: $version',
    async ({ version, holds }, { codex }) => {
      const { command: codexPath } = await installFromNpm(codex.scratch, version, NATIVE);
      await codex.play(steps);
      const { image } = await generateInOwnProcess(codex.options({ codexPath }), AS_MOUNTER);
      const warnings = holds ? [] : [expect.stringMatching(/^The picture is not verified: .*root/)];
      expect(image).toMatchObject({ verified: holds, warnings });
      // Without a shell the agent cannot mount.
      const readOnly = codex.options({ codexPath, sandbox: 'read-only' });
      const { image: unshelled } = await generateInOwnProcess(readOnly, AS_MOUNTER);
      expect(unshelled).toMatchObject({ verified: true, warnings: [] });
    },
  );

  test.skipIf(!mayBeCounted())('leaves images verified if it is another', async ({ codex }) => {
    const { command: codexPath } = await installFromNpm(codex.scratch, '0.150.1', NATIVE);
    await codex.play(steps);
    codex.giveTo(COUNTED_USER);
    const { image } = await generateInOwnProcess(codex.options({ codexPath }), AS_COUNTED_USER);
    expect(image).toMatchObject({ verified: true, warnings: [] });
  });
});

describe("sandbox 'read-only'", () => {
  test('ignores an image in the workspace', async ({ codex }) => {
    const steps = turn(save('workspace', FAKED));
    const call = codex.generate(steps, { sandbox: 'read-only', completion: 'exit' });
    expect(await failure(call)).toMatchObject({ code: 'NO_IMAGE' });
  });

  test('leaves an image in the store verified', async ({ codex }) => {
    await expectVerified(codex, turn(save('store', DRAWN)), 'store', { sandbox: 'read-only' });
  });
});
