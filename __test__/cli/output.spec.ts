// Where the image is written: completely or not at all, over another file only with `--force`, and
// checked before a turn is spent.

import {
  chmod,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { events, Piped, run, test, type CommandEnvironment } from '../support/cli/command.js';
import { WINDOWS } from '../support/platform.js';
import { png } from '../support/image/small-png.js';
import { RUNNING, save, turn } from '../support/stub/steps.js';
import type { Step } from '../support/stub/stub-script.js';

const PICTURE = png({ width: 9, height: 7, seed: 5 });
const DRAWN = turn(save('store', PICTURE));
/** Draws when its gate opens. */
const GATED: Step[] = turn(RUNNING, { do: 'await', gate: 'draw' }, save('store', PICTURE));
const MINE = 'not to be lost';
const AS_ROOT = process.getuid?.() === 0;

function at(commandEnv: CommandEnvironment, ...names: string[]): string {
  return path.join(commandEnv.scratch, ...names);
}

test('stdout has the path of the file and nothing else', async ({ codex, commandEnv }) => {
  await codex.play(DRAWN);
  await mkdir(at(commandEnv, 'deep', 'in'), { recursive: true });
  const { code, stdout } = await run(commandEnv, ['a fox', '-o', 'deep/in/../fox.png']);
  expect({ code, stdout: stdout.toString() }).toEqual({
    code: 0,
    stdout: `${at(commandEnv, 'deep', 'fox.png')}\n`,
  });
  expect(await readFile(at(commandEnv, 'deep', 'fox.png'))).toEqual(PICTURE);
  expect(await readdir(at(commandEnv, 'deep'))).toEqual(expect.arrayContaining(['fox.png', 'in']));
});

test('the file has the default permissions', async ({ codex, commandEnv }) => {
  await codex.play(DRAWN);
  await run(commandEnv, ['a fox', '-o', 'fox.png']);
  const { mode } = await stat(at(commandEnv, 'fox.png'));
  expect(mode & 0o777).toBe(0o666 & ~process.umask());
});

test('-o - writes the image to stdout', async ({ codex, commandEnv }) => {
  const large = png({ width: 700, height: 600, alpha: true });
  await codex.play(turn(save('store', large)));
  const { code, stdout } = await run(commandEnv, ['a fox', '-o', '-']);
  expect(code).toBe(0);
  expect(Buffer.compare(stdout, large)).toBe(0);
  expect(await readdir(commandEnv.scratch)).toEqual([]);
});

describe('a name of another format', () => {
  const WARNING = (extension: string) =>
    `The picture is a PNG file, although its name ends with ${extension}.`;

  test.for(['.jpg', '.JPEG', '.webp', '.svg'])(
    'adds a warning: %s',
    async (extension, { codex, commandEnv }) => {
      await codex.play(DRAWN);
      const name = `fox${extension}`;
      const { code, stderr } = await run(commandEnv, ['a fox', '-q', '-o', name]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: `Warning: ${WARNING(extension)}\n` });
      expect(await readFile(at(commandEnv, name))).toEqual(PICTURE);
    },
  );

  test('adds a warning to the result with --json', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const outcome = await run(commandEnv, ['a fox', '--json', '-o', 'fox.gif']);
    expect(events(outcome).at(-1)).toMatchObject({ type: 'result', warnings: [WARNING('.gif')] });
  });

  test.for(['fox', 'fox.PNG', 'fox.v2', '.jpg'])(
    'adds no warning for another extension: %s',
    async (name, { codex, commandEnv }) => {
      await codex.play(DRAWN);
      expect(await run(commandEnv, ['a fox', '-q', '-o', name])).toMatchObject({
        code: 0,
        stderr: '',
      });
    },
  );
});

describe('the name of a file without -o', () => {
  test.for<[prompt: string, name: string]>([
    ['a red fox, flat design', 'a-red-fox-flat-design.png'],
    ['  ../../Etc/Passwd ', 'etc-passwd.png'],
    ['Ein Füchslein – 狐!', 'ein-füchslein-狐.png'],
    ['🦊', 'picture.png'],
    ['Con', 'picture-con.png'],
    [
      'a fox that runs and runs and runs and runs and runs and never arrives anywhere',
      'a-fox-that-runs-and-runs-and-runs-and-runs-and.png',
    ],
    ['狐'.repeat(300), `${'狐'.repeat(48)}.png`],
    ['𐐨'.repeat(300), `${'𐐨'.repeat(48)}.png`],
  ])('comes from the prompt: %j', async ([prompt, name], { codex, commandEnv }) => {
    await codex.play(DRAWN);
    const { stdout } = await run(commandEnv, ['--', prompt]);
    expect(stdout.toString()).toBe(`${at(commandEnv, name)}\n`);
    expect(await readdir(commandEnv.scratch)).toEqual([name]);
  });

  test('has a number where the file exists', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    await writeFile(at(commandEnv, 'a-fox.png'), MINE);
    await symlink('nowhere', at(commandEnv, 'a-fox-2.png'), 'junction');
    const { code, stdout } = await run(commandEnv, ['a fox', '--force']);
    expect({ code, stdout: stdout.toString() }).toEqual({
      code: 0,
      stdout: `${at(commandEnv, 'a-fox-3.png')}\n`,
    });
    expect(await readFile(at(commandEnv, 'a-fox.png'), 'utf8')).toBe(MINE);
  });

  test('differs between concurrent calls', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const all = await Promise.all(Array.from({ length: 4 }, () => run(commandEnv, ['a fox'])));
    const names = all.map(({ stdout }) => path.basename(stdout.toString().trim()));
    expect(names.toSorted()).toEqual(['a-fox-2.png', 'a-fox-3.png', 'a-fox-4.png', 'a-fox.png']);
    expect((await readdir(commandEnv.scratch)).toSorted()).toEqual(names.toSorted());
  });
});

describe('an output that cannot be written', () => {
  type Case = [
    what: string,
    args: string[],
    reason: RegExp,
    make: (commandEnv: CommandEnvironment) => Promise<unknown>,
  ];
  // Windows creates links only for some users, has no paths for devices, and refuses a long name
  // too late.
  const onUnix: Case[] = [
    [
      'a link, with --force',
      ['-o', 'fox.png', '--force'],
      /no regular file/,
      async (commandEnv) => {
        await writeFile(at(commandEnv, 'mine.png'), MINE);
        await symlink('mine.png', at(commandEnv, 'fox.png'));
      },
    ],
    ['a device, with --force', ['-o', '/dev/null', '-f'], /no regular file/, async () => {}],
    [
      'a directory in which no file can be made',
      ['-o', '/proc/fox.png'],
      /cannot be written/,
      async () => {},
    ],
    ['a name that is too long', ['-o', 'x'.repeat(256)], /name too long/, async () => {}],
  ];

  test.for<Case>([
    [
      'a file that exists',
      ['-o', 'fox.png'],
      /fox\.png exists\. --force replaces it\. \[OUTPUT_EXISTS\]/,
      (commandEnv) => writeFile(at(commandEnv, 'fox.png'), MINE),
    ],
    [
      'a link that leads nowhere',
      ['-o', 'fox.png'],
      /no regular file/,
      (commandEnv) => symlink('nowhere', at(commandEnv, 'fox.png'), 'junction'),
    ],
    [
      'a directory, with --force',
      ['-o', 'pictures', '--force'],
      /is a directory/,
      (commandEnv) => mkdir(at(commandEnv, 'pictures')),
    ],
    [
      'a directory that is not there',
      ['-o', 'nowhere/fox.png'],
      /The directory .*nowhere does not exist\. \[OUTPUT_FAILED\]/,
      async () => {},
    ],
    [
      'a parent that is no directory',
      ['-o', 'file/fox.png'],
      WINDOWS ? /no such file or directory/ : /not a directory/,
      (commandEnv) => writeFile(at(commandEnv, 'file'), MINE),
    ],
    ...(WINDOWS ? [] : onUnix),
  ])(
    'is refused with exit code 73 before anything is started: %s',
    async ([, args, reason, make], { codex, commandEnv }) => {
      await make(commandEnv);
      const before = await readdir(commandEnv.scratch);
      await codex.play(DRAWN);
      const { code, stdout, stderr } = await run(commandEnv, ['a fox', ...args]);
      expect({ code, stdout: stdout.toString() }).toEqual({ code: 73, stdout: '' });
      expect(stderr).toMatch(reason);
      expect(await codex.recordings()).toEqual([]);
      expect(await readdir(commandEnv.scratch)).toEqual(before);
    },
  );

  // By its mode, which Windows does not have and which does not bind root.
  test.skipIf(AS_ROOT || WINDOWS)(
    'is refused with exit code 73 before anything is started: a read-only directory',
    async ({ codex, commandEnv }) => {
      await chmod(commandEnv.scratch, 0o555);
      const { code, stderr } = await run(commandEnv, ['a fox']);
      await chmod(commandEnv.scratch, 0o755);
      expect(code).toBe(73);
      expect(stderr).toContain('permission denied');
      expect(await codex.recordings()).toEqual([]);
    },
  );
});

describe('an output that changes during the call', () => {
  test('is left alone, and the image is written beside it', async ({ codex, commandEnv }) => {
    await codex.play(GATED);
    const { ended } = new Piped(commandEnv, ['a fox', '-o', 'fox.png']);
    await codex.reached('running');
    await writeFile(at(commandEnv, 'fox.png'), MINE);
    await codex.open('draw');
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout: stdout.toString() }).toEqual({
      code: 73,
      stdout: `${at(commandEnv, 'fox-2.png')}\n`,
    });
    expect(stderr).toMatch(/fox\.png appeared meanwhile.*The picture is in .*fox-2\.png/);
    expect(await readFile(at(commandEnv, 'fox.png'), 'utf8')).toBe(MINE);
    expect(await readFile(at(commandEnv, 'fox-2.png'))).toEqual(PICTURE);
    expect((await readdir(commandEnv.scratch)).toSorted()).toEqual(['fox-2.png', 'fox.png']);
  });

  test('is reported with --json', async ({ codex, commandEnv }) => {
    await codex.play(GATED);
    const { ended } = new Piped(commandEnv, ['a fox', '-o', 'fox.png', '--json']);
    await codex.reached('running');
    await mkdir(at(commandEnv, 'fox.png'));
    await codex.open('draw');
    const outcome = await ended;
    expect(outcome.code).toBe(73);
    expect(events(outcome).at(-1)).toEqual({
      type: 'error',
      code: 'OUTPUT_EXISTS',
      message: expect.stringContaining('fox-2.png'),
      path: at(commandEnv, 'fox-2.png'),
    });
  });

  test('leaves the image with Codex if it cannot be written', async ({ codex, commandEnv }) => {
    await codex.play(GATED);
    await mkdir(at(commandEnv, 'pictures'));
    const { ended } = new Piped(commandEnv, ['a fox', '-o', 'pictures/fox.png']);
    await codex.reached('running');
    await rename(at(commandEnv, 'pictures'), at(commandEnv, 'moved'));
    await codex.open('draw');
    const { code, stderr } = await ended;
    expect(code).toBe(73);
    expect(stderr).toMatch(/The directory .*pictures does not exist\. Codex has kept/);
    const { threadId = '' } = await codex.turn();
    const [, advice] = /Codex has kept the picture: `codex-image (.*) FILE`/.exec(stderr) ?? [];
    expect(advice).toBe(`--recover ${threadId} -o`);

    const recovered = await run(commandEnv, ['--recover', threadId, '-o', 'fox.png']);
    expect(recovered).toMatchObject({ code: 0 });
    expect(await readFile(at(commandEnv, 'fox.png'))).toEqual(PICTURE);
    expect(await run(commandEnv, ['--recover', threadId, '-o', 'fox.png'])).toMatchObject({
      code: 73,
    });
  });
});

test('a temporary file that cannot be removed is a warning', async ({ codex, commandEnv }) => {
  await codex.play(DRAWN);
  // Node's function fails for the image, and not for the empty file of the check.
  const preload = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const { rm } = fs.promises;
    fs.promises.rm = async (file, ...rest) => {
      if (!file.endsWith('.tmp') || fs.statSync(file).size === 0) return rm(file, ...rest);
      throw Object.assign(new Error('held'), { code: 'EBUSY' });
    };
    syncBuiltinESMExports();`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}` };
  const { code, stdout, stderr } = await run(commandEnv, ['a fox', '-o', 'fox.png'], { env });
  expect({ code, stdout: stdout.toString() }).toEqual({
    code: 0,
    stdout: `${at(commandEnv, 'fox.png')}\n`,
  });
  expect(stderr).toMatch(/^Warning: .*\.codex-image-.*\.tmp could not be removed\.$/m);
  expect(await readFile(at(commandEnv, 'fox.png'))).toEqual(PICTURE);
});

describe('--force', () => {
  test('replaces the file as a whole', async ({ codex, commandEnv }) => {
    await codex.play(GATED);
    await writeFile(at(commandEnv, 'fox.png'), MINE);
    const { ended } = new Piped(commandEnv, ['a fox', '-o', 'fox.png', '--force']);
    await codex.reached('running');
    // A reader of the old file can read it to its end. On Windows the file cannot be replaced
    // meanwhile.
    const reader = WINDOWS ? undefined : await open(at(commandEnv, 'fox.png'));
    expect(await readFile(at(commandEnv, 'fox.png'), 'utf8')).toBe(MINE);
    await codex.open('draw');
    expect(await ended).toMatchObject({ code: 0 });
    if (reader !== undefined) expect(await reader.readFile('utf8')).toBe(MINE);
    await reader?.close();
    expect(await readFile(at(commandEnv, 'fox.png'))).toEqual(PICTURE);
    expect(await readdir(commandEnv.scratch)).toEqual(['fox.png']);
  });

  test('keeps the old file where the call fails', async ({ codex, commandEnv }) => {
    await codex.play([{ do: 'exit', code: 1 }]);
    await writeFile(at(commandEnv, 'fox.png'), MINE);
    expect(await run(commandEnv, ['a fox', '-o', 'fox.png', '-f'])).toMatchObject({ code: 70 });
    expect(await readFile(at(commandEnv, 'fox.png'), 'utf8')).toBe(MINE);
    expect(await readdir(commandEnv.scratch)).toEqual(['fox.png']);
  });

  test('needs no file to replace', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    expect(await run(commandEnv, ['a fox', '-o', 'fox.png', '-f'])).toMatchObject({ code: 0 });
    expect(await readFile(at(commandEnv, 'fox.png'))).toEqual(PICTURE);
  });
});
