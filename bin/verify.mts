// Verifies the content credentials of a file.

import { readFile } from 'node:fs/promises';

import type { ContentCredentials } from 'codex-image';

import { loadAddon } from './addon.mjs';
import type { OutputMode } from './arguments.mjs';
import { CommandError, EXIT, reasonOf } from './failure.mjs';
import { printable, printableJson } from './printable.mjs';
import { printIfRead } from './streams.mjs';

/** Prints whether OpenAI signed exactly this file, and resolves with the exit code. */
export async function verify(file: string, { json }: OutputMode): Promise<number> {
  const { readContentCredentials } = await loadAddon();
  const png = await read(file);
  const credentials = await readContentCredentials(png);
  const line = json
    ? printableJson({ type: 'credentials', path: file, credentials })
    : printable(describe(credentials).join('\n'));
  await printIfRead(`${line}\n`);
  return credentials?.trusted === true ? EXIT.ok : EXIT.noPicture;
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const option = '--verify';
    throw new CommandError('USAGE', `${file} cannot be read: ${reasonOf(error)}`, { option });
  }
}

function describe(credentials: ContentCredentials | null): string[] {
  if (credentials === null) return ['The file has no content credentials.'];
  const { intact, trusted, signer, generator, signedAt, problem } = credentials;
  const unproven = trusted ? '' : ', not proven';
  let verdict = 'The content credentials do not hold.';
  if (intact) verdict = 'The file is unchanged, but it is not proven that OpenAI signed it.';
  if (trusted) verdict = 'OpenAI signed this file, and it is unchanged.';
  return [
    verdict,
    ...(signer === undefined ? [] : [`  Signer     ${signer}${unproven}`]),
    ...(generator === undefined ? [] : [`  Generator  ${generator}${unproven}`]),
    ...(signedAt === undefined ? [] : [`  Signed at  ${signedAt.toISOString()}`]),
    ...(problem === undefined ? [] : [`  Problem    ${problem}`]),
  ];
}
