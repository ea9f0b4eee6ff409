// What prevents the start of Codex. Each has its own error at once, and leaves nothing.
//
// `api/options` has strings with a NUL.

import { chmod, chown, copyFile, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import {
  AS_COUNTED_USER,
  BOUND_BY_MODES,
  COUNTED_USER,
  generateInOwnProcess,
  generateWithoutDescriptors,
  generateWithoutProcesses,
  IS_ROOT,
  mayBeCounted,
  mayMount,
  namespaceWithoutRoot,
  type StarvedCall,
  withSmallDisk,
} from '../support/process/own-process.js';
import { CODEX_IS_INSTALLED, directories, MACOS, WINDOWS } from '../support/platform.js';
import { PICTURE, png } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import { SCRIPT_STUB } from '../support/stub/stub-program.js';

const ELF = Buffer.from('\x7fELF');
/** Of the other byte order, which the kernel refuses. Other broken files go to `/bin/sh`. */
const MACH_O = Buffer.from('feedfacf', 'hex');

describe('codexPath', () => {
  const NOT_FOUND = { code: 'CODEX_NOT_FOUND', status: 424, retryable: false };
  const NOT_STARTED = { code: 'SPAWN_FAILED', status: 500, retryable: true };

  type Case = [what: string, expected: object, make: (file: string) => Promise<unknown>];
  const onUnix: Case[] = [
    ['a link to nothing', NOT_FOUND, (file) => symlink('/nowhere/codex', file)],
    [
      'not executable',
      NOT_FOUND,
      async (file) => {
        await copyFile(SCRIPT_STUB, file);
        await chmod(file, 0o644);
      },
    ],
    [
      'a script with a missing interpreter',
      NOT_STARTED,
      (file) => writeFile(file, '#!/nowhere/interpreter\n', { mode: 0o755 }),
    ],
    [
      'not a program',
      NOT_STARTED,
      // In the system's own format: an unknown one is a script for a shell.
      (file) => writeFile(file, MACOS ? MACH_O : ELF, { mode: 0o755 }),
    ],
  ];
  const onWindows: Case[] = [
    ['a script', NOT_FOUND, (file) => writeFile(file, '#!/usr/bin/env node\n')],
    ['a batch file', NOT_FOUND, (file) => writeFile(`${file}.cmd`, '@exit 0\r\n')],
    ['not a program', NOT_STARTED, (file) => writeFile(`${file}.exe`, 'no program')],
  ];

  test.for<Case>([
    ['missing', NOT_FOUND, async () => {}],
    ['a directory', NOT_FOUND, (file) => mkdir(file)],
    ...(WINDOWS ? onWindows : onUnix),
  ])('starts no file that is %s', async ([, expected, make], { codex }) => {
    const codexPath = path.join(codex.scratch, 'codex');
    await make(codexPath);
    // Another Codex must not be used instead.
    const env = { ...codex.env, CODEX_BIN: SCRIPT_STUB };
    const error = await failure(codex.generate([], { codexPath, env }));
    expect(error).toMatchObject(expected);
    if (expected === NOT_FOUND) expect(error.message).toContain('The chosen Codex CLI');
    expect(error.message).not.toContain(codex.scratch);
    expect(await codex.recordings()).toEqual([]);
  });

  test.skipIf(CODEX_IS_INSTALLED)('is required if the search finds no Codex', async ({ codex }) => {
    const env = { ...codex.env, PATH: codex.scratch };
    const error = await failure(codex.generate([], { codexPath: null, env }));
    expect(error).toMatchObject(NOT_FOUND);
    expect(error.message).toContain('npm install');
  });
});

describe('the directory for temporary files', () => {
  const FAILED = { code: 'WORKSPACE_FAILED', status: 507, retryable: false };

  test.for<[what: string, make: (place: string) => Promise<unknown>]>([
    ['missing', async () => {}],
    ['a file', (place) => writeFile(place, '')],
  ])('is refused before spawn: %s', async ([, make], { codex }) => {
    const temporary = path.join(codex.scratch, 'tmp');
    await make(temporary);
    const env = { ...codex.env, ...directories(codex.user, temporary) };
    const error = await failure(codex.generate(turn(), { env }));
    expect(error).toMatchObject(FAILED);
    expect(error.message).not.toContain(codex.scratch);
    expect(await codex.recordings()).toEqual([]);
  });

  test('is refused if it is missing and Codex has to be asked for its login', async ({ codex }) => {
    await codex.config('cli_auth_credentials_store = "keyring"');
    const temporary = path.join(codex.scratch, 'tmp');
    const env = { ...codex.env, ...directories(codex.user, temporary) };
    expect(await failure(codex.generate(turn(), { env }))).toMatchObject(FAILED);
    expect(await codex.recordings()).toEqual([]);
  });

  test('does not hide the version from the next call if it is missing', async ({ codex }) => {
    const script = turn(save('store', PICTURE));
    const temporary = path.join(codex.scratch, 'tmp');
    const env = { ...codex.env, ...directories(codex.user, temporary) };
    expect(await failure(codex.generate(script, { env }))).toMatchObject(FAILED);
    const { codexVersion } = await codex.generateDetailed(script);
    expect(codexVersion).toBeDefined();
  });

  // By its mode, which Windows does not have.
  test.skipIf(WINDOWS)('is refused before spawn: unwritable', async ({ codex }) => {
    await chmod(codex.temporary, 0o555);
    const { error } = await generateInOwnProcess(codex.options(), BOUND_BY_MODES);
    expect(error).toMatchObject({ code: 'WORKSPACE_FAILED', status: 507 });
    expect(await codex.recordings()).toEqual([]);
  });

  // By its mode and its owner.
  describe.skipIf(WINDOWS)('in which other users can exchange entries', () => {
    async function expectRefused(codex: StubCodex, temporary: string): Promise<void> {
      const env = { ...codex.env, ...directories(codex.user, temporary) };
      const error = await failure(codex.generate(turn(save('store', PICTURE)), { env }));
      expect(error).toMatchObject(FAILED);
      expect(error.message).toMatch(/other users can write|belongs to another user/);
      expect(error.message).toMatch(/Check the directory for temporary files/);
      expect(error.message).not.toMatch(/TMPDIR|chmod/);
      expect(error.message).not.toContain(codex.scratch);
      expect(await codex.recordings()).toEqual([]);
      expect(await readdir(temporary)).toEqual([]);
    }

    test.for(['777', '707', '773'])('is refused before spawn: mode %s', async (mode, { codex }) => {
      await chmod(codex.temporary, Number.parseInt(mode, 8));
      await expectRefused(codex, codex.temporary);
    });

    test('is refused before spawn where its parent is one', async ({ codex }) => {
      const temporary = path.join(codex.scratch, 'a', 'b');
      await mkdir(temporary, { recursive: true });
      await chmod(path.join(codex.scratch, 'a'), 0o777);
      await expectRefused(codex, temporary);
    });

    test('is refused before spawn where a link leads to it', async ({ codex }) => {
      await mkdir(path.join(codex.scratch, 'tmp'), { mode: 0o777 });
      await chmod(path.join(codex.scratch, 'tmp'), 0o777);
      const link = path.join(codex.scratch, 'link');
      await symlink('tmp', link);
      await expectRefused(codex, link);
    });

    test.skipIf(!IS_ROOT)(
      'is refused before spawn where another user or group owns it (takes root)',
      async ({ codex }) => {
        await chown(codex.temporary, COUNTED_USER, 0);
        await expectRefused(codex, codex.temporary);
        await chown(codex.temporary, 0, COUNTED_USER);
        await chmod(codex.temporary, 0o770);
        await expectRefused(codex, codex.temporary);
      },
    );

    test.for(['1777', '1770', '755', '700'])(
      'is accepted with mode %s',
      async (mode, { codex }) => {
        await chmod(codex.temporary, Number.parseInt(mode, 8));
        expect(await codex.generate(turn(save('store', PICTURE)))).toEqual(PICTURE);
      },
    );

    // In a namespace without root, the owner of `/` counts as root.
    const namespace = namespaceWithoutRoot();
    test.skipIf(namespace === undefined)(
      'is accepted in a user namespace without root (takes a user other than root, on Linux)',
      async ({ codex }) => {
        codex.giveTo(COUNTED_USER);
        await codex.play(turn(save('store', PICTURE)));
        const { image } = await generateInOwnProcess(codex.options(), namespace);
        expect(image?.source).toBe('store');
      },
    );
  });

  describe.skipIf(!mayMount())('that is full (takes the right to mount)', () => {
    test('is refused before spawn if it has no room for an entry', async ({ codex }) => {
      const full = withSmallDisk(codex.temporary, 'nr_inodes=1');
      const { error } = await generateInOwnProcess(codex.options(), full);
      expect(error).toMatchObject({ code: 'WORKSPACE_FAILED', status: 507 });
      expect(await codex.recordings()).toEqual([]);
    });

    test('is refused before spawn if it has no room for a reference', async ({ codex }) => {
      const reference = path.join(codex.scratch, 'reference.png');
      await writeFile(reference, png({ width: 100, height: 100 }));
      const full = withSmallDisk(codex.temporary, 'size=8k');
      const options = codex.options({ referenceImages: [reference] });
      const { error } = await generateInOwnProcess(options, full);
      expect(error).toMatchObject({ code: 'WORKSPACE_FAILED', status: 507 });
      expect(await codex.recordings()).toEqual([]);
    });
  });
});

describe('a failed spawn', () => {
  const REFUSED = ['SPAWN_FAILED', 'WORKSPACE_FAILED'];

  function expectNothingLeaked({ descriptors }: StarvedCall): void {
    expect(descriptors.after).toBe(descriptors.before);
  }

  const emfile = 'leaks no descriptor and no thread after EMFILE, with any number free';
  // Windows has no limit of handles.
  test.skipIf(WINDOWS)(emfile, async ({ codex }) => {
    await codex.play(turn(save('store', PICTURE)));
    const calls = await generateWithoutDescriptors(codex.options());
    for (const call of calls.slice(0, -1)) {
      expect(REFUSED).toContain(call.code);
      expect(call.message).toContain('Too many open files');
    }
    // A child takes three pipes, each with two ends for a moment.
    expect(calls.length).toBeGreaterThan(6);
    calls.forEach(expectNothingLeaked);
    expect((await codex.turn()).command).toBe('exec');
  });

  const title =
    'leaks no descriptor and no thread after EAGAIN (takes a user other than root, on Linux)';
  test.skipIf(!mayBeCounted())(title, async ({ codex }) => {
    codex.giveTo(COUNTED_USER);
    const call = await generateWithoutProcesses(codex.options(), AS_COUNTED_USER);
    expect(call).toMatchObject({ code: 'SPAWN_FAILED' });
    expect(call.message).toContain('Resource temporarily unavailable');
    expectNothingLeaked(call);
    expect(await codex.recordings()).toEqual([]);
  });
});
