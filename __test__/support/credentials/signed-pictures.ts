// Signed pictures, sound and with every single fault, which `signed-pictures.rs` makes.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { buildExample } from '../stub/cargo-example.js';

/** A picture, and what the verifier finds in it with the test's own roots. */
export interface SignedPicture {
  name: string;
  file: string;
  /** Null for a picture without content credentials. */
  found: { intact: boolean; trusted: boolean; dated: boolean } | null;
}

export interface SignedPictures extends AsyncDisposable {
  pictures: SignedPicture[];
  /** The roots, in one PEM file. */
  roots: string;
  read(name: string): Promise<Uint8Array>;
}

/** Makes the pictures in a directory that is removed when the result is disposed of. */
export async function makeSignedPictures(): Promise<SignedPictures> {
  const program = await buildExample('signed-pictures');
  const directory = await mkdtemp(path.join(tmpdir(), 'codex-image-signed-'));
  await promisify(execFile)(program, [directory]);
  const text = await readFile(path.join(directory, 'cases.json'), 'utf8');
  const pictures = (JSON.parse(text) as SignedPicture[]).map(({ name, file, found }) => {
    return { name, file: path.join(directory, file), found };
  });
  return {
    pictures,
    roots: path.join(directory, 'roots.pem'),
    async read(name) {
      const picture = pictures.find((one) => one.name === name);
      if (picture === undefined) throw new Error(`there is no picture “${name}”`);
      return readFile(picture.file);
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}
