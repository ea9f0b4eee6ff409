// `readContentCredentials`. What is found in which picture: tests/credentials.rs.

import { afterAll, beforeAll, describe, expect } from 'vitest';

import { isCodexImageError, readContentCredentials } from '../../index.js';
import { makeSignedPictures, type SignedPictures } from '../support/credentials/signed-pictures.js';
import { save, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';

const NAMES = {
  signer: 'OpenAI Media Service (OpenAI OpCo, LLC)',
  generator: 'Test Media Service',
};

let signed: SignedPictures;
beforeAll(async () => {
  signed = await makeSignedPictures();
});
afterAll(() => signed[Symbol.asyncDispose]());

describe('a picture with content credentials', () => {
  test('is intact, but not trusted if only a test knows its root', async () => {
    expect(await readContentCredentials(await signed.read('es256'))).toEqual({
      intact: true,
      trusted: false,
      ...NAMES,
      problem:
        'The signer is not known to be OpenAI: its certificate comes from an unknown authority.',
    });
  });

  test('is not intact once a pixel has changed', async () => {
    expect(await readContentCredentials(await signed.read('a flipped pixel'))).toEqual({
      intact: false,
      trusted: false,
      ...NAMES,
      problem: 'The picture was changed after it was signed.',
    });
  });

  test('is never trusted by the roots of OpenAI, whatever its fault', async () => {
    const { pictures } = signed;
    const all = await Promise.all(
      pictures.map(async ({ name }) => readContentCredentials(await signed.read(name))),
    );
    expect(all.map((one) => one && one.intact)).toEqual(
      pictures.map(({ found }) => found && found.intact),
    );
    expect(all.filter((one) => one?.trusted || one?.signedAt)).toEqual([]);
  });

  test('is verified as it was when the call was made', async () => {
    const png = await signed.read('es256');
    const pending = readContentCredentials(png);
    png.fill(0);
    expect(await pending).toMatchObject({ intact: true });
  });

  test('may be a part of a larger buffer', async () => {
    const png = await signed.read('ps256');
    const larger = Buffer.concat([Buffer.from('before'), png, Buffer.from('after')]);
    const part = larger.subarray(6, 6 + png.length);
    expect(await readContentCredentials(part)).toMatchObject({ intact: true, ...NAMES });
  });
});

test('resolves with null if a picture has no content credentials', async () => {
  expect(await readContentCredentials(await signed.read('unsigned'))).toBeNull();
});

test('finds a damaged picture not intact', async () => {
  const png = await signed.read('es256');
  const problem = (reason: string) => ({
    intact: false,
    trusted: false,
    problem: `The content credentials cannot be checked: the PNG is not whole, ${reason}.`,
  });
  expect(await readContentCredentials(png.subarray(0, 500))).toEqual(problem('it ends too early'));
  png.set([0xff], 200);
  expect(await readContentCredentials(png)).toEqual(problem('it is damaged (a checksum is wrong)'));
});

// To verify a picture by its signature takes the test's own roots: tests/signed_generation.rs.
describe('a generation without any sandbox', () => {
  const sandbox = 'danger-full-access';

  test('has the credentials of a picture by an unknown signer, and does not verify it', async ({
    codex,
  }) => {
    const png = Buffer.from(await signed.read('es256'));
    const image = await codex.generateDetailed(turn(save('workspace', png)), { sandbox });
    expect(image).toMatchObject({ verified: false, source: 'workspace', warnings: [] });
    expect(image.contentCredentials).toEqual(await readContentCredentials(png));
  });

  test('warns of credentials that do not hold', async ({ codex }) => {
    const png = Buffer.from(await signed.read('a byte after the end'));
    const image = await codex.generateDetailed(turn(save('workspace', png)), { sandbox });
    expect(image).toMatchObject({
      verified: false,
      contentCredentials: { intact: false },
      warnings: [
        'The content credentials of the picture do not hold. The picture was changed after it was signed.',
      ],
    });
  });

  test('has none for a picture that is not signed', async ({ codex }) => {
    const png = Buffer.from(await signed.read('unsigned'));
    const image = await codex.generateDetailed(turn(save('workspace', png)), { sandbox });
    expect(image).not.toHaveProperty('contentCredentials');
  });
});

describe('rejects', () => {
  test.for<[string, unknown, string]>([
    ['nothing', undefined, 'it must be a Uint8Array, not undefined'],
    ['null', null, 'it must be a Uint8Array, not null'],
    ['a path', 'picture.png', 'it must be a Uint8Array, not a string'],
    ['an array', [137, 80], 'it must be a Uint8Array, not an array'],
    ['an ArrayBuffer', new ArrayBuffer(8), 'it must be a Uint8Array, not an object'],
    ['an array of other numbers', new Uint16Array(8), 'it must be a Uint8Array, not an object'],
    ['no bytes', new Uint8Array(), 'the file is empty'],
    ['another format', Buffer.from('GIF89a'), 'it is a GIF image'],
  ])('%s', async ([, png, problem]) => {
    const error: unknown = await readContentCredentials(png as Uint8Array).catch(
      (reason: unknown) => reason,
    );
    expect(isCodexImageError(error)).toBe(true);
    expect(error).toMatchObject({
      code: 'INVALID_OPTIONS',
      option: 'png',
      message: `Invalid option \`png\`: ${problem}.`,
    });
  });
});
