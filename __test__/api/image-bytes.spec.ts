// Which bytes are an image, and how others are named. `image-file` has what is no regular file.

import { readFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';

import { describe, expect } from 'vitest';

import { assemble, chunk, header, pixels, png, SIGNATURE } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { save, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';

const PICTURE = png({ width: 40, height: 30 });
const PLACES = ['store', 'workspace'] as const;

describe('a file that is no PNG', () => {
  const page = '<!doctype html>\n<html><body><h1>502 Bad Gateway</h1></body></html>\n';
  test.for<[what: string, bytes: Buffer, named: RegExp]>([
    ['a JPEG', Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex'), /JPEG/],
    ['a WebP', Buffer.from('RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0', 'latin1'), /WebP/],
    ['a GIF', Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1'), /GIF/],
    ['a web page', Buffer.from(page), /HTML/],
    ['a text', Buffer.from('I am sorry, I cannot draw that.\n'), /text/],
    ['a PNG in base64', Buffer.from(PICTURE.toString('base64')), /base64|text/],
    ['an empty file', Buffer.alloc(0), /empty/],
  ])('is refused, and the error names it: %s', async ([, bytes, named], { codex }) => {
    for (const place of PLACES) {
      const error = await failure(codex.generate(turn(save(place, bytes))));
      expect(error).toMatchObject({ code: 'INVALID_IMAGE', status: 502, retryable: true });
      expect(error.message).toMatch(/not a valid PNG/);
      expect(error.message).toMatch(named);
    }
  });
});

describe('a damaged PNG', () => {
  const EMPTY = Buffer.alloc(0);
  /** Returns a zlib stream with empty stored blocks of that many bytes after its header. */
  const withEmptyBlocks = (stream: Buffer, bytes: number): Buffer =>
    Buffer.concat([
      stream.subarray(0, 2),
      Buffer.alloc(bytes - (bytes % 5), Buffer.from([0, 0, 0, 0xff, 0xff])),
      stream.subarray(2),
    ]);

  const data = deflateSync(pixels());
  const flipped = Buffer.from(PICTURE);
  flipped[60] = (flipped[60] ?? 0) ^ 1;
  const badAdler = Buffer.from(data);
  badAdler[badAdler.length - 1] = (badAdler.at(-1) ?? 0) ^ 1;

  test.for<[what: string, bytes: Buffer]>([
    ['the signature alone', SIGNATURE],
    ['cut in its pixels', PICTURE.subarray(0, PICTURE.length >> 1)],
    ['cut before its last byte', PICTURE.subarray(0, -1)],
    ['without IEND', PICTURE.subarray(0, -12)],
    ['one bit flipped', flipped],
    [
      'broken pixels under a right checksum',
      assemble([header(), chunk('IDAT', Buffer.alloc(64, 7))]),
    ],
    ['a wrong Adler-32', assemble([header(), chunk('IDAT', badAdler)])],
    ['too few rows', assemble([header({ height: 9 }), chunk('IDAT', data)])],
    ['too many rows', assemble([header({ height: 1 }), chunk('IDAT', data)])],
    [
      '64 MiB of pixels for a handful',
      assemble([header(), chunk('IDAT', deflateSync(Buffer.alloc(64 << 20)))]),
    ],
    [
      '1 MiB of empty blocks for a handful of pixels',
      assemble([header(), chunk('IDAT', withEmptyBlocks(data, 1 << 20))]),
    ],
    ['more than 131,072 chunks', png({ ancillary: Array(1 << 17).fill(chunk('abCd', EMPTY)) })],
    ['no pixels at all', assemble([header()])],
    ['no header', assemble([chunk('IDAT', data)])],
    ['no width', assemble([header({ width: 0 }), chunk('IDAT', data)])],
    [
      '30000 × 30000 pixels claimed',
      assemble([header({ width: 30_000, height: 30_000 }), chunk('IDAT', data)]),
    ],
  ])('is refused: %s', async ([, bytes], { codex }) => {
    for (const place of PLACES) {
      const error = await failure(codex.generate(turn(save(place, bytes))));
      expect(error).toMatchObject({ code: 'INVALID_IMAGE', status: 502, retryable: true });
      expect(error.message).toMatch(/not a valid PNG/);
    }
  });

  test('does not hide a valid copy when it is in the store', async ({ codex }) => {
    const steps = turn(save('store', PICTURE.subarray(0, 60)), save('workspace', PICTURE));
    expect(await codex.generate(steps)).toEqual(PICTURE);
  });
});

describe('a PNG with unused bytes after its zlib stream', () => {
  const stream = deflateSync(pixels());
  const unused = (count: number): Buffer => Buffer.alloc(count, 'IDAT');
  const FORMS: [where: string, data: (count: number) => Buffer[]][] = [
    ['in its chunk', (count) => [Buffer.concat([stream, unused(count)])]],
    ['in a chunk of their own', (count) => [stream, unused(count)]],
    ['before an empty chunk', (count) => [Buffer.concat([stream, unused(count)]), unused(0)]],
  ];
  const cases = [0, 1, 3, 4, 5, 1000].flatMap((count) =>
    FORMS.map(([where, data]) => [count, where, data] as const),
  );

  test.for(cases)('is accepted: %i bytes %s', async ([count, , data], { codex }) => {
    const bytes = assemble([header(), ...data(count).map((part) => chunk('IDAT', part))]);
    for (const place of PLACES) {
      const image = await codex.generateDetailed(turn(save(place, bytes)));
      expect(image).toMatchObject({ png: bytes, source: place, width: 3, height: 2 });
    }
  });
});

describe('a file of the PngSuite (all of them: tests/pngsuite.rs)', () => {
  const suite = (name: string): Promise<Buffer> =>
    readFile(new URL(`../fixtures/pngsuite/${name}.png`, import.meta.url));

  test.for<[name: string, side: number, hasAlpha: boolean]>([
    ['basn6a16', 32, true],
    ['basi0g01', 32, false],
    ['s07i3p02', 7, false],
    ['tp1n3p08', 32, true],
  ])('is accepted: %s', async ([name, side, hasAlpha], { codex }) => {
    const bytes = await suite(name);
    for (const place of PLACES) {
      const image = await codex.generateDetailed(turn(save(place, bytes)));
      expect(image).toMatchObject({ png: bytes, width: side, height: side, hasAlpha });
    }
  });

  test.for(['xs1n0g01', 'xhdn0g08', 'xdtn0g01', 'xd9n2c08'])(
    'is refused: %s',
    async (name, { codex }) => {
      const bytes = await suite(name);
      for (const place of PLACES) {
        const call = codex.generate(turn(save(place, bytes)));
        expect(await failure(call)).toMatchObject({ code: 'INVALID_IMAGE' });
      }
    },
  );
});

describe.for(PLACES)('maxImageBytes (%s)', (place) => {
  test('accepts a file of that size', async ({ codex }) => {
    const call = codex.generate(turn(save(place, PICTURE)), { maxImageBytes: PICTURE.length });
    expect(await call).toEqual(PICTURE);
  });

  test('refuses a larger file', async ({ codex }) => {
    const call = codex.generate(turn(save(place, PICTURE)), { maxImageBytes: PICTURE.length - 1 });
    const error = await failure(call);
    expect(error).toMatchObject({ code: 'IMAGE_TOO_LARGE', status: 413, retryable: false });
    expect(error.message).toContain(`the ${PICTURE.length - 1} bytes that are allowed`);
  });
});

describe("validation 'signature' of the workspace", () => {
  const validation = 'signature';
  const broken = assemble([header(), chunk('IDAT', Buffer.alloc(128, 7))]);
  const damagedHeader = Buffer.from(PICTURE);
  damagedHeader[17] = 1;

  test('accepts broken pixels', async ({ codex }) => {
    expect(await codex.generate(turn(save('workspace', broken)), { validation })).toEqual(broken);
  });

  test.for<[what: string, bytes: Buffer, width: number, height: number]>([
    ['reports the size of an image', PICTURE, 40, 30],
    ['reports the size in a header before broken pixels', broken, 3, 2],
    [
      'reports the size in a header that nothing follows',
      Buffer.concat([PICTURE.subarray(0, 33), Buffer.alloc(95)]),
      40,
      30,
    ],
    ['does not report the size in a damaged header', damagedHeader, 0, 0],
    [
      'does not report a size without a header',
      assemble([chunk('caBX', Buffer.alloc(128, 7))]),
      0,
      0,
    ],
  ])('%s', async ([, bytes, width, height], { codex }) => {
    const image = await codex.generateDetailed(turn(save('workspace', bytes)), { validation });
    expect(image).toMatchObject({ png: bytes, width, height, source: 'workspace' });
  });

  test("refuses broken pixels where it is 'full', the default", async ({ codex }) => {
    for (const full of ['full', null] as const) {
      const call = codex.generate(turn(save('workspace', broken)), { validation: full });
      expect(await failure(call)).toMatchObject({ code: 'INVALID_IMAGE' });
    }
  });

  test.for<[what: string, bytes: Buffer]>([
    ['127 bytes with a signature', broken.subarray(0, 127)],
    ['a file without a signature', Buffer.alloc(200, 'x')],
  ])('refuses %s', async ([, bytes], { codex }) => {
    const call = codex.generate(turn(save('workspace', bytes)), { validation });
    expect(await failure(call)).toMatchObject({ code: 'INVALID_IMAGE' });
  });

  test('accepts 128 bytes with a signature', async ({ codex }) => {
    const bytes = broken.subarray(0, 128);
    expect(await codex.generate(turn(save('workspace', bytes)), { validation })).toEqual(bytes);
  });
});
