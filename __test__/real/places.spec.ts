// Directories of a call with the real Codex CLI: a home that no variable names, and a directory for
// temporary files whose name needs quoting.

import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { leftIn } from '../support/homes.mjs';
import { installCodex } from '../support/real/codex-cli.js';
import {
  checkInOwnProcess,
  generateInOwnProcess,
  mayOverlay,
  recoverInOwnProcess,
  type Wrapper,
  withEtc,
} from '../support/process/own-process.js';
import { draw, say } from '../support/loopback/backend.js';
import { makePng } from '../support/image/picture.js';
import { TEMPORARY, WINDOWS } from '../support/platform.js';
import { type RealCodex, test } from '../support/real/real.js';
import { CODE, HOSTED, type Variant } from '../support/real/variants.js';

const DRAWN = makePng({ width: 96, height: 64, seed: 1 });
const START = makePng({ width: 96, height: 64, seed: 2 });
const DRAWS = [draw({ image: DRAWN }), say('Done.')];

const NEWEST: Variant = {
  name: '0.171.0, code mode',
  route: 'code',
  cli: await installCodex('0.171.0'),
};
const VARIANTS = [HOSTED, CODE, NEWEST];

/** Shows a user database with this home for the user, or without the user. */
async function withHome({ scratch }: RealCodex, home: string | null): Promise<Wrapper> {
  const etc = path.join(scratch, 'etc');
  await mkdir(etc);
  // A process that may mount runs as root, at least in its namespace.
  await writeFile(path.join(etc, 'passwd'), home === null ? '' : `root:x:0:0::${home}:/bin/sh\n`);
  await writeFile(path.join(etc, 'nsswitch.conf'), 'passwd: files\n');
  return withEtc(etc);
}

/** The environment of a call, without the variables that name a home. */
function homeless(real: RealCodex): Record<string, string> {
  const { HOME: _, CODEX_HOME: __, ...env } = real.env;
  return env;
}

// Replacing /etc needs Linux and the right to mount.
describe.skipIf(!mayOverlay())('a call without a variable for the home (takes overlays)', () => {
  test.for(VARIANTS)('uses the home in the user database: $name', async (variant, { real }) => {
    const wrapper = await withHome(real, real.user);
    await symlink(real.home.path, path.join(real.user, '.codex'));
    real.backend.play(DRAWS);
    const options = real.options(variant, { env: homeless(real) });
    const { codexPath, env } = options;
    const readiness = await checkInOwnProcess({ codexPath, env }, wrapper);
    expect(readiness).toMatchObject({ ready: true, login: 'chatgpt' });

    const drawn = await generateInOwnProcess(options, wrapper);
    const threadId = real.threadId() ?? '';
    const picture = { source: 'store', width: 96, height: 64, threadId };
    expect(drawn).toMatchObject({ image: picture });

    expect(await recoverInOwnProcess({ threadId, env }, wrapper)).toMatchObject({ image: picture });
  });

  test('ignores an empty HOME', async ({ real }) => {
    const wrapper = await withHome(real, real.user);
    await symlink(real.home.path, path.join(real.user, '.codex'));
    real.backend.play(DRAWS);
    const env = { ...homeless(real), HOME: '' };
    const drawn = await generateInOwnProcess(real.options(NEWEST, { env }), wrapper);
    expect(drawn).toMatchObject({ image: { source: 'store', verified: true } });
  });

  test('tells an unknown user what to set', async ({ real }) => {
    const wrapper = await withHome(real, null);
    const options = real.options(NEWEST, { env: homeless(real) });
    const { codexPath, env } = options;
    const toSet: unknown = expect.stringMatching(/Set the variable HOME or CODEX_HOME/);
    const error = { code: 'NOT_SIGNED_IN', status: 401, message: toSet };
    expect(await generateInOwnProcess(options, wrapper)).toMatchObject({ error });
    const threadId = '019e5f2a-7c44-7bb0-9d3e-0123456789ab';
    expect(await recoverInOwnProcess({ threadId, env }, wrapper)).toMatchObject({ error });
    expect(await checkInOwnProcess({ codexPath, env }, wrapper)).toMatchObject({
      ready: false,
      login: 'none',
      problems: [{ code: 'NOT_SIGNED_IN', fix: toSet, blocking: true }],
    });
    expect(real.backend.requests).toEqual([]);

    real.backend.play(DRAWS);
    const named = { ...options, env: { ...env, CODEX_HOME: real.home.path } };
    expect(await generateInOwnProcess(named, wrapper)).toMatchObject({
      image: { source: 'store' },
    });
  });
});

// Windows allows none of these characters in names.
describe.skipIf(WINDOWS)('a directory for temporary files of any name', () => {
  const CONTROLS = [...Array.from({ length: 31 }, (_, at) => at + 1), 0x7f, 0x85, 0x2028];
  const NAMES = [
    String.raw`O'Brien's \ "home"`,
    `'''\n"""\\`,
    '{a = 1}, [b], c.d # e',
    `${String.fromCodePoint(...CONTROLS)}x`,
  ];

  test.for(NAMES.flatMap((name) => VARIANTS.map((variant) => ({ name, variant }))))(
    'allows reference images: $name, $variant.name',
    async ({ name, variant }, { real }) => {
      const temporary = path.join(real.temporary, name);
      await mkdir(temporary);
      const reference = path.join(real.scratch, 'reference.png');
      await writeFile(reference, START);
      const image = await real.generateDetailed(variant, DRAWS, {
        env: { ...real.env, [TEMPORARY]: temporary },
        referenceImages: [reference],
      });
      expect(Buffer.compare(image.png, DRAWN)).toBe(0);
      const asked = JSON.stringify(real.modelCalls()[0]?.body);
      expect(asked.includes(START.toString('base64')), 'the reference is attached').toBe(true);
      expect(leftIn(temporary)).toEqual([]);
      await rm(temporary, { recursive: true });
    },
  );
});
