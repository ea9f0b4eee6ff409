// The cases of the first proposal of this provider: a Codex found through CODEX_BIN that is
// controlled by the environment, names no thread and prints as the proposal's did.

import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { deflateSync } from 'node:zlib';

import { expect } from 'vitest';

import { renderCodexCliImage } from '../../dist/open-design.mjs';
import { WINDOWS } from '../support/platform.js';
import { assemble, chunk, header, png } from '../support/image/small-png.js';
import { CHATGPT_LOGIN } from '../support/call/login.mjs';
import type { StubCodex } from '../support/stub/stub.js';
import { type Daemon, test as daemonTest } from './support/daemon.js';

/** Valid, with bytes behind it: images of stubs need more than 128 bytes. */
const SOUND = Buffer.concat([png({ width: 1, height: 1, alpha: true }), Buffer.alloc(160)]);
/** The same with invalid pixels. */
const FLAWED = Buffer.concat([
  assemble([
    header({ width: 1, height: 1, alpha: true }),
    chunk('IDAT', deflateSync(Buffer.from([0, 1, 2, 3])).subarray(0, -2)),
  ]),
  Buffer.alloc(160),
]);

const PROGRAM = `#!/usr/bin/env node
const { writeFileSync } = require('node:fs');
const { PLAYED, PICTURE, ARGUMENTS } = process.env;
if (ARGUMENTS) writeFileSync(ARGUMENTS, JSON.stringify(process.argv.slice(2)));
process.stdin.resume();
const say = (text) => {
  const item = { id: '1', type: 'agent_message', text };
  return JSON.stringify({ type: 'item.completed', item }) + '\\n';
};
const end = (code, output = '', error = '') => {
  process.stderr.write(error);
  process.stdout.write(output, () => process.exit(code));
};
const save = (bytes) => writeFileSync('od-codex-image.png', bytes);
switch (PLAYED) {
  case 'draws': save(Buffer.from(PICTURE, 'base64')); end(0, say('It is saved.')); break;
  case 'has no tool': end(0, say('IMAGE_GEN_UNAVAILABLE')); break;
  case 'saves nothing': end(0, say('It is drawn, but not saved.')); break;
  case 'saves words': save('no picture'); end(0, say('It is saved.')); break;
  case 'fails': end(1, '', 'something broke\\n'); break;
  case 'is at its limit': end(1, '', "stream error: You've hit your usage limit.\\n"); break;
}
`;

/** The program of this test, and its mode. */
const test = daemonTest
  .extend<{ play: (what: string, rest?: object) => Promise<void> }>({
    play: async ({ codex, daemon }, use) => {
      const program = programOf(codex);
      await writeFile(program, PROGRAM);
      await chmod(program, 0o755);
      await use(async (what, rest) => {
        const PICTURE = SOUND.toString('base64');
        daemon.resolve({
          OD_MEDIA_ALLOW_STUBS: '1',
          CODEX_BIN: program,
          PICTURE,
          PLAYED: what,
          ...rest,
        });
      });
      // It also saves one when it is asked for its version, in this directory.
      await rm(path.join(codex.temporary, 'od-codex-image.png'), { force: true });
    },
  })
  .runIf(!WINDOWS);

async function expectPicture(daemon: Daemon): Promise<void> {
  const { file } = await daemon.client.draw({ output: 'concept.png' });
  expect(file).toMatchObject({
    name: 'concept.png',
    providerId: 'codex-cli',
    usedStubFallback: false,
  });
  expect(file?.providerNote).toMatch(/^codex-cli\/image_gen · /);
  expect(await daemon.read('concept.png')).toEqual(SOUND);
}

test('an image arrives unchanged', async ({ play, daemon }) => {
  await play('draws');
  await expectPicture(daemon);
});

test.for<[played: string, message: RegExp]>([
  ['has no tool', /image_gen tool is unavailable/],
  ['saves nothing', /no image at the requested path/],
  ['saves words', /not a valid PNG/],
  ['fails', /codex image_gen exited exit 1/],
  ['is at its limit', /resets on a rolling window/],
])(
  'a Codex that %s is a failure, and no placeholder is written',
  async ([played, message], { play, daemon }) => {
    await play(played);
    const { status, error } = await daemon.client.draw();
    expect(status).toBe('failed');
    expect(error?.message).toMatch(message);
    expect(await daemon.files()).toEqual([]);
  },
);

test('a script starts without a node on PATH', async ({ codex, play, daemon }) => {
  const empty = path.join(codex.scratch, 'empty');
  await mkdir(empty);
  await play('draws', { PATH: empty });
  await expectPicture(daemon);
});

test.for<[what: string, auth: object | null, message: RegExp]>([
  ['an API key', { auth_mode: 'apikey', OPENAI_API_KEY: 'sk-made-up' }, /API key.*codex login/],
  ['no home at all', null, /not signed in.*codex login/],
])('%s is reported before a turn is spent', async ([, auth, message], { codex, play, daemon }) => {
  const home = path.join(codex.scratch, 'another-home');
  const seen = path.join(codex.scratch, 'arguments.json');
  if (auth !== null) {
    await mkdir(home);
    await writeFile(path.join(home, 'auth.json'), JSON.stringify(auth));
  }
  await play('draws', { CODEX_HOME: home, ARGUMENTS: seen });
  const { error } = await daemon.client.draw();
  expect(error?.message).toMatch(message);
  const started = await readFile(seen, 'utf8').catch(() => '');
  expect(started).not.toContain('exec');
});

test.for<[value: string | undefined, disables: string[]]>([
  ['1', ['--disable', 'plugins']],
  [undefined, []],
])('OD_CODEX_DISABLE_PLUGINS=%s is applied', async ([value, disables], { codex, play, daemon }) => {
  const seen = path.join(codex.scratch, 'arguments.json');
  await play('draws', { OD_CODEX_DISABLE_PLUGINS: value, ARGUMENTS: seen });
  await expectPicture(daemon);
  const args = JSON.parse(await readFile(seen, 'utf8')) as string[];
  const at = args.indexOf('--disable');
  expect(at === -1 ? [] : args.slice(at, at + 2)).toEqual(disables);
});

test('an invalid fixture passes by its signature alone', async ({ codex, play }) => {
  await codex.login(CHATGPT_LOGIN);
  await play('draws', { PICTURE: FLAWED.toString('base64') });
  const context = { surface: 'image', prompt: 'a red fox' };
  const overrides = { environment: process.env, executable: programOf(codex) };
  await expect(renderCodexCliImage(context, null, overrides)).rejects.toMatchObject({
    code: 'INVALID_IMAGE',
  });
  const { bytes } = await renderCodexCliImage(context, null, {
    ...overrides,
    validation: 'signature',
  });
  expect(bytes).toEqual(FLAWED);
});

function programOf({ scratch }: StubCodex): string {
  return path.join(scratch, 'played-codex.js');
}
