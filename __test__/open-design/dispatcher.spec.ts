// `codex-image-gen` through Open Design's dispatcher, over HTTP: what a request yields, and that
// nothing is left.

import { truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect, onTestFinished } from 'vitest';

import type { CodexCliImageErrorCode } from '../../dist/open-design.mjs';
import { CODEX_IS_INSTALLED, directories, WINDOWS } from '../support/platform.js';
import { PICTURE, png } from '../support/image/small-png.js';
import { valuesOf } from '../support/call/arguments.js';
import {
  HANG,
  print,
  RUNNING,
  save,
  say,
  THREAD,
  turn,
  turnFailed,
} from '../support/stub/steps.js';
import { StubCodex } from '../support/stub/stub.js';
import type { StubScript, Step } from '../support/stub/stub-script.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';
import type { MediaRequest } from './support/client.js';
import { type Environment, type Daemon, stubbedEnv, test } from './support/daemon.js';
import type { MediaExecutionPolicy } from './upstream/apps/daemon/src/media/policy.js';

const NOTE = `codex-cli/image_gen · 3:2 instead of 16:9 · ${PICTURE.length} bytes · ChatGPT subscription (no API key)`;
const GATE: Step = { do: 'await', gate: 'end' };

describe('an image', () => {
  test('reaches the project byte for byte', async ({ codex, daemon }) => {
    await codex.play(turn(save('store', PICTURE), HANG));
    const task = await daemon.client.draw({ aspect: '16:9', output: 'assets.v2/fox.png' });
    expect(task).toMatchObject({
      status: 'done',
      file: {
        name: 'assets.v2/fox.png',
        size: PICTURE.length,
        mime: 'image/png',
        model: 'codex-image-gen',
        providerId: 'codex-cli',
        providerNote: NOTE,
      },
    });
    expect(await daemon.read('assets.v2/fox.png')).toEqual(PICTURE);
    await codex.expectNothingLeft();
  });

  test.for(['fox.webp', 'fox', 'fox.tar.gz'])(
    'is a PNG, also as %s',
    async (output, { codex, daemon }) => {
      await codex.play(turn(save('store', PICTURE)));
      const { file } = await daemon.client.draw({ output });
      expect(file).toMatchObject({ name: expect.stringMatching(/\.png$/), mime: 'image/png' });
      expect(await daemon.files()).toEqual([file?.name]);
    },
  );

  test('is drawn by the prompt and the aspect of the request', async ({ codex, daemon }) => {
    await codex.play(turn(save('store', PICTURE)));
    const prompt = 'ein Füchslein\n狐 🦊 $(id) --help';
    await daemon.client.draw({ prompt, aspect: '9:16' });
    const { stdin, args } = await codex.turn();
    expect(stdin).toContain(`\n${prompt}\n`);
    expect(stdin).toContain('9:16');
    // The model is Codex's own setting: the registry's id names a tool.
    expect(args).not.toContain('--model');
    expect(args.join(' ')).not.toContain('codex-image-gen');
  });

  test('is reported while it is drawn', async ({ codex, daemon }) => {
    await codex.play(turn(RUNNING, GATE, save('store', PICTURE)));
    const taskId = await daemon.client.start();
    await codex.reached('running');
    const view = await daemon.client.wait(taskId, 0);
    expect(view).toMatchObject({ status: 'running', progress: expect.any(Array) });
    expect(view.progress[0]).toMatch(/\S/);
    await codex.open('end');
    expect(await daemon.client.follow(taskId)).toMatchObject({ status: 'done' });
  });

  test('can be drawn twice at once', async ({ codex, daemon }) => {
    const other = await StubCodex.create();
    onTestFinished(() => other.close());
    const stubs = [codex, other].map((stub, n) => ({ stub, picture: png({ seed: n + 1 }) }));

    const tasks: string[] = [];
    for (const [n, { stub, picture }] of stubs.entries()) {
      await stub.play(turn(RUNNING, GATE, save('store', picture)));
      daemon.resolve(stubbedEnv(stub));
      tasks.push(await daemon.client.start({ output: `${n}.png` }));
      // The daemon reads its environment after it has answered.
      await stub.reached('running');
    }
    await Promise.all(stubs.map(({ stub }) => stub.open('end')));

    const views = await Promise.all(tasks.map((taskId) => daemon.client.follow(taskId)));
    expect(views.map(({ status }) => status)).toEqual(['done', 'done']);
    const drawn = await Promise.all(['0.png', '1.png'].map((name) => daemon.read(name)));
    expect(drawn).toEqual(stubs.map(({ picture }) => picture));
  });

  test('is drawn by the CLI of the first proposal', async ({ codex, daemon }) => {
    // It names no thread, is found by CODEX_BIN, and leaves one pixel with more bytes behind in the
    // workspace.
    const tiny = Buffer.concat([png({ width: 1, height: 1 }), Buffer.from('more')]);
    await codex.play([save('workspace', tiny)]);
    expect(await daemon.client.draw({ output: 'dot.png' })).toMatchObject({ status: 'done' });
    expect(await daemon.read('dot.png')).toEqual(tiny);
  });
});

test("the user's saved settings win, except for an API key", async ({ codex, daemon }) => {
  await codex.play(turn(save('store', PICTURE)));
  daemon.resolve({ CODEX_HOME: codex.scratch, CODEX_BIN: undefined });
  await daemon.save({
    CODEX_HOME: codex.home,
    CODEX_BIN: SCRIPT_STUB,
    OPENAI_API_KEY: 'sk-made-up',
  });
  expect((await daemon.client.readiness()).body).toMatchObject({ ready: true });
  expect(await daemon.client.draw()).toMatchObject({ status: 'done' });
  const { env } = await codex.turn();
  expect(env).toMatchObject({ CODEX_HOME: codex.home });
  expect(env).not.toHaveProperty('OPENAI_API_KEY');
});

describe('reference images', () => {
  const FIRST = png({ seed: 2 });
  const SECOND = png({ seed: 3 });

  test('reach Codex in order, each once', async ({ codex, daemon }) => {
    await daemon.add('first.png', FIRST);
    await daemon.add('second.png', SECOND);
    await codex.play(turn(save('store', PICTURE)));
    const images = ['first.png', 'second.png', './first.png'];
    const task = await daemon.client.draw({ image: 'first.png', images });
    expect(task).toMatchObject({ status: 'done' });
    const { args, cwdEntries } = await codex.turn();
    expect(cwdEntries.toSorted()).toEqual(['reference-1.png', 'reference-2.png']);
    expect(valuesOf('-i', args).map((file) => path.basename(file))).toEqual([
      'reference-1.png',
      'reference-2.png',
    ]);
    expect(await daemon.files()).toEqual(['first.png', 'image.png', 'second.png']);
  });

  test.for<[what: string, names: string[], bytes: number, message: RegExp]>([
    [
      'six',
      ['0.png', '1.png', '2.png', '3.png', '4.png', '5.png'],
      FIRST.length,
      /more than 5 entries/,
    ],
    ['more than 16 MiB', ['0.png'], 16 * 1024 * 1024 + 1, /larger than 16 MiB/],
  ])('are refused: %s', async ([, names, bytes, message], { codex, daemon }) => {
    for (const name of names) {
      await truncate(await daemon.add(name, FIRST), bytes);
    }
    const { status, error } = await daemon.client.draw({ images: names });
    expect(status).toBe('failed');
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS', status: 400, retryable: false });
    expect(error?.message).toMatch(message);
    expect(await codex.recordings()).toEqual([]);
    expect(await daemon.files()).toEqual(names);
  });

  test('are refused if their bytes are no image', async ({ codex, daemon }) => {
    await daemon.add('fox.png', Buffer.from('<svg/>'));
    const { error } = await daemon.client.draw({ image: 'fox.png' });
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS', status: 400 });
    expect(error?.message).toMatch(/referenceImages\[0\].*PNG, JPEG, WebP or GIF/);
    expect(await codex.recordings()).toEqual([]);
  });
});

describe('the media policy', () => {
  test.for<[code: string, policy: MediaExecutionPolicy]>([
    ['MEDIA_EXECUTION_DISABLED', { mode: 'disabled' }],
    ['MEDIA_SURFACE_DENIED', { mode: 'enabled', allowedSurfaces: ['video'] }],
    ['MEDIA_MODEL_DENIED', { mode: 'enabled', allowedModels: ['gpt-image-2'] }],
  ])('is asked first: %s', async ([code, policy], { codex, daemon }) => {
    await codex.play(turn(save('store', PICTURE)));
    daemon.allow(policy);
    expect(await daemon.client.generate()).toMatchObject({
      status: 403,
      body: { error: { code } },
    });

    // A process of the refused request would have started before those of the allowed one.
    daemon.allow({ mode: 'enabled', allowedModels: ['codex-image-gen'] });
    expect(await daemon.client.draw()).toMatchObject({ status: 'done' });
    expect(await codex.recordings()).toHaveLength(1);
  });
});

describe("the user's choice", () => {
  test('leaves the default image model unchanged', async ({ daemon }) => {
    const { body } = await daemon.client.models();
    const defaults = body.image.filter((model) => model.default).map(({ id }) => id);
    expect(defaults).toEqual(['vela/gpt-image-2']);
    const ours = body.image.find(({ id }) => id === 'codex-image-gen');
    expect(ours).not.toHaveProperty('default');
  });

  test('leaves other models to their own providers', async ({ codex, daemon }) => {
    await codex.play(turn(save('store', PICTURE)));
    daemon.resolve({ OD_MEDIA_ALLOW_STUBS: '1' });
    const { file } = await daemon.client.draw({ model: 'gpt-image-2' });
    expect(file).toMatchObject({ providerId: 'openai', usedStubFallback: true });
    expect(await codex.recordings()).toEqual([]);
  });

  test.for(['video', 'audio'])('excludes the surface %s', async (surface, { codex, daemon }) => {
    const { error } = await daemon.client.draw({ surface });
    expect(error?.message).toContain('is not registered for surface');
    expect(await codex.recordings()).toEqual([]);
  });
});

interface Case {
  script?: StubScript | Step[];
  request?: Partial<MediaRequest>;
  environment?: (codex: StubCodex) => Environment;
  prepare?: (codex: StubCodex) => Promise<void>;
  status: number;
  retryable: boolean;
  /** Text by which callers recognise it, if they do. */
  message: RegExp;
}

const toolFailed = (why: string): Step[] =>
  turn(
    print(
      'stderr',
      `ERROR codex_core::tools::router: error=image generation failed: http ${why}\n`,
    ),
  );

const broken = (directory: string): string => path.join(directory, WINDOWS ? 'codex.exe' : 'codex');

/**
 * A case for each code, without which a new code does not compile. `loading` has a defect of the
 * addon, and a missing addon.
 */
const CASES: Record<
  Exclude<CodexCliImageErrorCode, 'INTERNAL' | 'CODEX_IMAGE_ADDON_UNAVAILABLE'>,
  Record<string, Case>
> = {
  INVALID_OPTIONS: {
    'no prompt': {
      request: { prompt: '' },
      status: 400,
      retryable: false,
      message: /`prompt`.*blank/,
    },
    'a blank prompt': {
      request: { prompt: ' \n\t' },
      status: 400,
      retryable: false,
      message: /`prompt`.*blank/,
    },
    'an aspect that is none': {
      request: { aspect: 'wide' },
      status: 400,
      retryable: false,
      message: /`aspect`.*16:9/,
    },
  },
  CODEX_NOT_FOUND: CODEX_IS_INSTALLED
    ? {}
    : {
        'none anywhere': {
          environment: ({ scratch }) => ({ CODEX_BIN: undefined, PATH: scratch }),
          status: 424,
          retryable: false,
          message: /npm install -g @openai\/codex/,
        },
      },
  SPAWN_FAILED: {
    'a bad interpreter, or no program': {
      prepare: ({ scratch }) => writeFile(broken(scratch), '#!/nowhere/node\n', { mode: 0o755 }),
      environment: ({ scratch }) => ({ CODEX_BIN: broken(scratch) }),
      status: 500,
      retryable: true,
      message: /could not be started/,
    },
  },
  NOT_SIGNED_IN: {
    'without a login': {
      prepare: (codex) => codex.login(null),
      script: { login: { text: 'Not logged in', exitCode: 1 }, exec: [] },
      status: 401,
      retryable: false,
      message: /not signed in.*codex login/,
    },
  },
  API_KEY_LOGIN: {
    'an API key': {
      prepare: (codex) => codex.login({ auth_mode: 'apikey', OPENAI_API_KEY: 'sk-made-up' }),
      status: 403,
      retryable: false,
      message: /API key.*codex login/,
    },
  },
  IMAGE_GEN_UNAVAILABLE: {
    'the agent has no tool': {
      script: turn(say('IMAGE_GEN_UNAVAILABLE')),
      status: 501,
      retryable: false,
      message: /image_gen tool is unavailable/,
    },
  },
  NO_IMAGE: {
    'only words': {
      script: turn(say('Here is your fox!')),
      status: 502,
      retryable: true,
      message: /no image at the requested path/,
    },
  },
  INVALID_IMAGE: {
    'a web page': {
      script: turn(save('workspace', Buffer.from('<!doctype html>'))),
      status: 502,
      retryable: true,
      message: /not a valid PNG/,
    },
  },
  IMAGE_TOO_LARGE: {
    '3 GB': {
      script: turn({ do: 'plant', what: 'sparse file', where: 'workspace' }),
      status: 413,
      retryable: false,
      message: /larger than/,
    },
  },
  USAGE_LIMIT: {
    'of the turn': {
      script: [THREAD, turnFailed('You’ve hit your usage limit.'), { do: 'exit', code: 1 }],
      status: 429,
      retryable: false,
      message: /resets on a rolling window/,
    },
  },
  RATE_LIMITED: {
    'of the turn': {
      script: [
        THREAD,
        turnFailed('exceeded retry limit, last status: 429 Too Many Requests'),
        { do: 'exit', code: 1 },
      ],
      status: 429,
      retryable: true,
      message: /Try again in a minute/,
    },
  },
  SAFETY_REJECTED: {
    'of the turn': {
      script: [
        THREAD,
        turnFailed('{"error":{"code":"moderation_blocked","message":"rejected"}}'),
        { do: 'exit', code: 1 },
      ],
      status: 422,
      retryable: false,
      message: /safety system/,
    },
  },
  BACKEND_ERROR: {
    'HTTP 500 of the tool': {
      script: toolFailed('500 Internal Server Error: None'),
      status: 502,
      retryable: true,
      message: /backend/,
    },
  },
  CODEX_FAILED: {
    'exit 7': {
      script: [THREAD, { do: 'exit', code: 7 }],
      status: 502,
      retryable: false,
      message: /codex image_gen exited exit 7\b/,
    },
    // Windows has no signals.
    ...(!WINDOWS && {
      SIGSEGV: {
        script: [THREAD, { do: 'die', of: 'SIGSEGV' }],
        status: 502,
        retryable: false,
        message: /codex image_gen exited signal SIGSEGV\b/,
      },
    }),
  },
  TIMEOUT: {
    'a Codex that hangs': {
      script: turn(HANG),
      environment: () => ({ OD_CODEX_IMAGE_TIMEOUT_MS: '500' }),
      status: 504,
      retryable: true,
      message: /within 0\.5 s/,
    },
  },
  WORKSPACE_FAILED: {
    'no directory for temporary files': {
      environment: ({ user, scratch }) => directories(user, path.join(scratch, 'nowhere')),
      status: 507,
      retryable: false,
      message: /private directory/,
    },
  },
};

describe('a failure', () => {
  const all = Object.entries(CASES).flatMap(([code, cases]) =>
    Object.entries(cases).map(([what, one]) => ({ code, what, one })),
  );

  test.for(all)(
    'reaches the user unchanged: $code, $what',
    async ({ code, one }, { codex, daemon }) => {
      await codex.play(one.script ?? turn(save('store', PICTURE)));
      await one.prepare?.(codex);
      daemon.resolve({ OD_MEDIA_ALLOW_STUBS: '1', ...one.environment?.(codex) });
      const task = await daemon.client.draw(one.request);

      const { status, retryable } = one;
      expect(task).toMatchObject({ status: 'failed', error: { code, status, retryable } });
      expect(task.error?.message).toMatch(one.message);
      await expectHarmless(task.error?.message ?? '', codex, daemon);
      // `od` exits with it, and it must differ from the codes of a success and of wrong arguments.
      expect([0, 2]).not.toContain(status % 256);
    },
  );

  /** Asserts that no placeholder is written, no secret or path is named, and nothing is left. */
  async function expectHarmless(message: string, codex: StubCodex, daemon: Daemon): Promise<void> {
    expect(await daemon.files()).toEqual([]);
    expect(message).not.toMatch(/[\n\r]/);
    expect(message).not.toMatch(/(^|[\s('"`])(\/|~\/|[A-Z]:\\)/);
    for (const secret of [codex.home, codex.scratch, 'sk-made-up', 'ERROR']) {
      expect(message).not.toContain(secret);
    }
    await codex.expectNothingLeft();
  }
});

describe('the end of a task', () => {
  const RESISTING: Step = { do: 'tool', ownSession: true };

  test('is not caused by a client that disconnects', async ({ codex, daemon }) => {
    await codex.play(turn(RUNNING, GATE, save('store', PICTURE)));
    const taskId = await daemon.client.start();
    await codex.reached('running');
    const leaving = new AbortController();
    const waiting = daemon.client.follow(taskId, leaving.signal);
    await daemon.followed(taskId, 1);
    leaving.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    await daemon.followed(taskId, 0);

    await codex.open('end');
    expect(await daemon.client.follow(taskId)).toMatchObject({ status: 'done' });
    expect(await daemon.read('image.png')).toEqual(PICTURE);
  });

  test('is awaited and written when the daemon ends', async ({ codex, daemon }) => {
    await codex.play(turn(RESISTING, RUNNING, HANG));
    const tasks = [await daemon.client.start(), await daemon.client.start()];
    const running = async () =>
      (await codex.recordings()).filter(({ threadId }) => threadId !== undefined).length;
    await expect.poll(running, { timeout: 30_000 }).toBe(2);
    await codex.reached('running');

    await daemon.stop();
    await codex.expectNothingLeft();
    const error = {
      code: 'DAEMON_STOPPING',
      status: 503,
      retryable: true,
      message: 'OpenDesign is shutting down.',
    };
    for (const taskId of tasks) {
      expect(await daemon.row(taskId)).toMatchObject({ status: 'failed', error });
    }
    // The next daemon knows the result.
    await daemon.start();
    for (const taskId of tasks) {
      expect(await daemon.client.wait(taskId, 0)).toMatchObject({ status: 'failed', error });
    }
    expect(await daemon.files()).toEqual([]);
  });

  test('is `interrupted` after the daemon died', async ({ codex, daemon }) => {
    await codex.play(turn(RUNNING, GATE, save('store', PICTURE)));
    const taskId = await daemon.client.start();
    await codex.reached('running');
    const rows = await daemon.rows();
    await codex.open('end');
    await daemon.client.follow(taskId);

    await daemon.startAfter(rows);
    expect(await daemon.client.wait(taskId, 0)).toMatchObject({
      status: 'interrupted',
      error: { code: 'DAEMON_RESTART' },
    });
  });

  test('is kept when the daemon restarts', async ({ codex, daemon }) => {
    await codex.play(turn(save('store', PICTURE)));
    const taskId = await daemon.client.start();
    expect(await daemon.client.follow(taskId)).toMatchObject({ status: 'done' });
    await daemon.stop();
    await daemon.start();
    expect(await daemon.client.wait(taskId, 0)).toMatchObject({ status: 'done' });
  });
});

test("the log has Codex's messages, which the user does not see", async ({ codex, daemon }) => {
  const said = 'the disk of this machine is upside down';
  await codex.play([THREAD, print('stderr', `${said}\n`), { do: 'exit', code: 7 }]);
  const { error } = await daemon.client.draw();
  expect(error?.message).toMatch(/exited exit 7/);
  expect(error?.message).not.toContain(said);
  expect(daemon.log.at(-1)).toMatch(/"event":"failed".*exited exit 7/);
  expect(daemon.log.at(-1)).toContain(said);
});
