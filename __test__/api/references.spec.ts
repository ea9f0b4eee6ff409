// Reference images: how they reach Codex, which are refused, and that none is returned as the
// result.

import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { chmod, link, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import {
  generateInOwnProcess,
  mayHaveDeadDisk,
  withDeadDisk,
} from '../support/process/own-process.js';
import { HELD_ALONE, LINUX, NOWHERE, WINDOWS } from '../support/platform.js';
import { png } from '../support/image/small-png.js';
import { valuesOf } from '../support/call/arguments.js';
import { failure, listener } from '../support/call/outcome.js';
import { addToRollout, RUNNING, save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

const DRAWN = png({ seed: 1 });
const PNG = png({ seed: 2 });
const JPEG = Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex');
const WEBP = Buffer.from('RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0', 'latin1');
const GIF = Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1');
const FOX = path.join(NOWHERE, 'fox.png');
const MOST_BYTES = 16 * 1024 * 1024;

/** Writes files of the caller, in this order. */
async function files(codex: StubCodex, ...contents: Buffer[]): Promise<string[]> {
  const all = contents.map((bytes, n) => ({ bytes, file: path.join(codex.scratch, `mine ${n}`) }));
  await Promise.all(all.map(({ bytes, file }) => writeFile(file, bytes)));
  return all.map(({ file }) => file);
}

/** Returns a file of that size that begins like a JPEG. */
async function fileOf(codex: StubCodex, size: number): Promise<string> {
  const [file = ''] = await files(codex, JPEG);
  await truncate(file, size);
  return file;
}

/** A file that exists and cannot be read, until `letGo` is called. */
async function unreadable(codex: StubCodex): Promise<{ file: string; letGo: () => void }> {
  // For root as well: no memory is mapped at the beginning of an address space.
  if (LINUX) return { file: '/proc/self/mem', letGo: () => {} };
  const [file = ''] = await files(codex, PNG);
  if (WINDOWS) {
    const held = openSync(file, constants.O_RDWR | HELD_ALONE);
    return { file, letGo: () => closeSync(held) };
  }
  await chmod(file, 0);
  return { file, letGo: () => {} };
}

describe('references', () => {
  const WAIT: Step[] = [RUNNING, { do: 'await', gate: 'end' }];

  test.for<[count: number, contents: Buffer[], names: string[]]>([
    [1, [PNG], ['reference-1.png']],
    [2, [JPEG, PNG], ['reference-1.jpg', 'reference-2.png']],
    [
      5,
      [PNG, JPEG, WEBP, GIF, PNG],
      [
        'reference-1.png',
        'reference-2.jpg',
        'reference-3.webp',
        'reference-4.gif',
        'reference-5.png',
      ],
    ],
  ])('reach Codex as copies in the workspace: %i', async ([, contents, names], { codex }) => {
    const referenceImages = await files(codex, ...contents);
    const steps = turn(...WAIT, save('store', DRAWN));
    const call = codex.generate(steps, { referenceImages });
    await codex.reached('running');
    const { args, cwd, cwdEntries, stdin = '' } = await codex.turn();
    expect(cwdEntries.toSorted()).toEqual(names);
    const copies = names.map((name) => path.join(cwd, name));
    expect(await Promise.all(copies.map((file) => readFile(file)))).toEqual(contents);

    // The names need no quoting, and an option follows that ends the list.
    const first = args.indexOf('-i');
    const attached = names.flatMap((name) => ['-i', name]);
    expect(args.slice(first, first + attached.length)).toEqual(attached);
    expect(args[first + attached.length]).toMatch(/^--/);
    // In the prompt, for the argument of the tool, in the same order.
    expect(stdin).toContain('referenced_image_paths');
    const places = copies.map((file) => stdin.indexOf(`${file}\n`));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    // The paths of the caller's files do not reach Codex.
    for (const file of referenceImages) expect(stdin + args.join('\n')).not.toContain(file);

    await codex.open('end');
    expect(await call).toEqual(DRAWN);
    expect(await Promise.all(referenceImages.map((file) => readFile(file)))).toEqual(contents);
  });

  test.for([[], null, undefined])(
    'are not mentioned to Codex if there are none: %s',
    async (referenceImages, { codex }) => {
      await codex.generate(turn(save('store', DRAWN)), { referenceImages });
      const { args, cwdEntries, stdin } = await codex.turn();
      expect(args).not.toContain('-i');
      expect(cwdEntries).toEqual([]);
      expect(stdin).not.toMatch(/reference/);
    },
  );

  test.for(['read-only', 'danger-full-access'] as const)(
    'reach Codex in the sandbox %s',
    async (sandbox, { codex }) => {
      const referenceImages = await files(codex, PNG);
      await codex.generate(turn(save('store', DRAWN)), { referenceImages, sandbox });
      const { args, cwd, stdin } = await codex.turn();
      expect(valuesOf('-i', args)).toEqual(['reference-1.png']);
      expect(stdin).toContain(path.join(cwd, 'reference-1.png'));
    },
  );

  test('may be one file twice, and by a link', async ({ codex }) => {
    const [file = ''] = await files(codex, PNG);
    const linked = path.join(codex.scratch, 'a link');
    // On Windows the other kind needs a privilege.
    await (WINDOWS ? link : symlink)(file, linked);
    await codex.generate(turn(save('store', DRAWN)), { referenceImages: [file, file, linked] });
    const names = ['reference-1.png', 'reference-2.png', 'reference-3.png'];
    expect((await codex.turn()).cwdEntries.toSorted()).toEqual(names);
  });

  test('may have any name', async ({ codex }) => {
    const name = `--help & $(id) 'Лиса' %PATH% 🦊.svg`;
    const file = path.join(codex.scratch, WINDOWS ? name : `${name}\n; "a quote"`);
    await writeFile(file, WEBP);
    await codex.generate(turn(save('store', DRAWN)), { referenceImages: [file] });
    const recording = await codex.turn();
    expect(recording.cwdEntries).toEqual(['reference-1.webp']);
    expect(recording.args.join('\n') + recording.stdin).not.toContain('$(id)');
  });

  test('may have a size of 16 MiB', async ({ codex }) => {
    const referenceImages = [await fileOf(codex, MOST_BYTES)];
    expect(await codex.generate(turn(save('store', DRAWN)), { referenceImages })).toEqual(DRAWN);
  });
});

describe('an invalid reference', () => {
  /**
   * Asserts that nothing is started and that the error names the option. The fixture asserts that
   * no workspace is left.
   */
  async function refuses(
    codex: StubCodex,
    referenceImages: unknown,
    option: string,
  ): Promise<void> {
    const { events, onProgress } = listener();
    const overrides = { referenceImages: referenceImages as string[] };
    const error = await failure(codex.generate(turn(save('store', DRAWN)), overrides, onProgress));
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ code: 'INVALID_OPTIONS', status: 400, retryable: false, option });
    expect(error.message).toContain(`\`${option}\``);
    expect(error.message).not.toContain(codex.scratch);
    expect(error).not.toHaveProperty('threadId');
    expect(await codex.recordings()).toEqual([]);
    expect(codex.runDirs()).toEqual([]);
    expect(events.map(({ phase }) => phase)).not.toContain('starting');
  }

  test.for<[what: string, make: (codex: StubCodex) => string | Promise<string>]>([
    ['a file that is not there', ({ scratch }) => path.join(scratch, 'nothing')],
    [
      'a link that leads nowhere',
      async ({ scratch }) => {
        await symlink(path.join(scratch, 'nothing'), path.join(scratch, 'link'), 'junction');
        return path.join(scratch, 'link');
      },
    ],
    ['a directory', ({ scratch }) => scratch],
    ['a device', () => (WINDOWS ? String.raw`\\.\NUL` : '/dev/zero')],
    ['an empty file', async (codex) => (await files(codex, Buffer.alloc(0)))[0] ?? ''],
    ['a text', async (codex) => (await files(codex, Buffer.from('a red fox')))[0] ?? ''],
    ['an SVG', async (codex) => (await files(codex, Buffer.from('<svg/>')))[0] ?? ''],
    [
      'a sound',
      async (codex) => (await files(codex, Buffer.from('RIFF\x04\0\0\0WAVEfmt ')))[0] ?? '',
    ],
    ['half a signature', async (codex) => (await files(codex, PNG.subarray(0, 5)))[0] ?? ''],
    ['a byte more than 16 MiB', (codex) => fileOf(codex, MOST_BYTES + 1)],
  ])('is refused before a turn is spent: %s', async ([, make], { codex }) => {
    const bad = await make(codex);
    await refuses(codex, [bad], 'referenceImages[0]');
  });

  test('is refused before a turn is spent: a file that cannot be read', async ({ codex }) => {
    const { file, letGo } = await unreadable(codex);
    try {
      await refuses(codex, [file], 'referenceImages[0]');
    } finally {
      letGo();
    }
  });

  // Windows has no FIFOs.
  test.skipIf(WINDOWS)('is refused before a turn is spent: a FIFO', async ({ codex }) => {
    const fifo = path.join(codex.scratch, 'fifo');
    execFileSync('mkfifo', [fifo]);
    await refuses(codex, [fifo], 'referenceImages[0]');
  });

  // Windows would occupy the whole terabyte.
  test.skipIf(WINDOWS)(
    'is refused before a turn is spent: a file of a terabyte',
    async ({ codex }) => {
      await refuses(codex, [await fileOf(codex, 2 ** 40)], 'referenceImages[0]');
    },
  );

  test('is named by its index among valid ones', async ({ codex }) => {
    const good = path.join(codex.scratch, 'good');
    await writeFile(good, PNG);
    await refuses(codex, [good, good, path.join(codex.scratch, 'nothing')], 'referenceImages[2]');
    await mkdir(path.join(codex.scratch, 'directory'));
    await refuses(codex, [good, path.join(codex.scratch, 'directory')], 'referenceImages[1]');
  });

  test('is refused as the sixth', async ({ codex }) => {
    const six = await files(codex, PNG, PNG, PNG, PNG, PNG, PNG);
    await refuses(codex, six, 'referenceImages');
  });

  test.for<[what: string, value: unknown, option: string]>([
    ['a relative path', ['fox.png'], 'referenceImages[0]'],
    ['a path with a dot', ['./fox.png'], 'referenceImages[0]'],
    ['an empty path', [''], 'referenceImages[0]'],
    ['a NUL', [`${FOX}\0`], 'referenceImages[0]'],
    ['a URL', ['https://example.com/fox.png'], 'referenceImages[0]'],
    ['a number', [5], 'referenceImages[0]'],
    ['null', [null], 'referenceImages[0]'],
    ['a Buffer', [PNG], 'referenceImages[0]'],
    ['a hole', [, FOX], 'referenceImages[0]'], // oxlint-disable-line no-sparse-arrays
    ['a path that is not in a list', FOX, 'referenceImages'],
    ['an object', { 0: FOX, length: 1 }, 'referenceImages'],
  ])('is refused before a turn is spent: %s', async ([, value, option], { codex }) => {
    await refuses(codex, value, option);
  });
});

describe.skipIf(!mayHaveDeadDisk())('a reference on a dead disk (takes the right to mount)', () => {
  test('does not keep the call from ending at its timeout', async ({ codex }) => {
    const disk = path.join(codex.scratch, 'disk');
    await mkdir(disk);
    const options = codex.options({ referenceImages: [path.join(disk, 'fox')], timeoutMs: 1000 });
    const { error } = await generateInOwnProcess(options, withDeadDisk(disk));
    expect(error).toMatchObject({ code: 'TIMEOUT' });
    expect(await codex.recordings()).toEqual([]);
    expect(codex.runDirs()).toEqual([]);
  });
});

describe('a reference that comes back unchanged', () => {
  const PLACES: [place: string, step: Step][] = [
    ['in the workspace', save('workspace', PNG)],
    ['in the store', save('store', PNG)],
    ['in the rollout', addToRollout('item', PNG)],
  ];

  test.for(PLACES)('does not count as the image: %s', async ([, step], { codex }) => {
    const referenceImages = await files(codex, JPEG, PNG);
    for (const completion of ['image', 'exit'] as const) {
      const error = await failure(codex.generate(turn(step), { referenceImages, completion }));
      expect(error).toMatchObject({ code: 'NO_IMAGE', status: 502, retryable: true });
      expect(error.message).toMatch(/no image at the requested path.*reference image/);
    }
  });

  test.for(PLACES)('counts as the image if it is no reference: %s', async ([, step], { codex }) => {
    const referenceImages = await files(codex, JPEG, DRAWN);
    expect(await codex.generate(turn(step), { referenceImages })).toEqual(PNG);
  });

  test.for<[what: string, drawn: Step, source: string]>([
    ['the store', save('store', DRAWN), 'store'],
    ['the rollout', addToRollout('end', DRAWN), 'rollout'],
  ])('does not hide the image in %s', async ([, drawn, source], { codex }) => {
    const referenceImages = await files(codex, PNG);
    for (const completion of ['image', 'exit'] as const) {
      const steps = turn(save('workspace', PNG), drawn);
      const image = await codex.generateDetailed(steps, { referenceImages, completion });
      expect(image).toMatchObject({ png: DRAWN, source, verified: true });
    }
  });

  test('counts as the image if its last byte differs', async ({ codex }) => {
    const [a, b] = [Buffer.concat([PNG, Buffer.of(1)]), Buffer.concat([PNG, Buffer.of(2)])];
    const referenceImages = await files(codex, a);
    expect(await codex.generate(turn(save('store', b)), { referenceImages })).toEqual(b);
  });
});
