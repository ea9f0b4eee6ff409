// `--verify` prints whether OpenAI signed a file. A trusted one is in no test: only OpenAI can sign
// it.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { afterAll, beforeAll, describe, expect } from 'vitest';

import { events, run, test } from '../support/cli/command.js';
import { makeSignedPictures, type SignedPictures } from '../support/credentials/signed-pictures.js';
import { NOWHERE } from '../support/platform.js';

const NAMES = [
  '  Signer     OpenAI Media Service (OpenAI OpCo, LLC), not proven',
  '  Generator  Test Media Service, not proven',
];
const UNKNOWN =
  'The signer is not known to be OpenAI: its certificate comes from an unknown authority.';

let signed: SignedPictures;
beforeAll(async () => {
  signed = await makeSignedPictures();
});
afterAll(() => signed[Symbol.asyncDispose]());

function fileOf(name: string): string {
  return signed.pictures.find((picture) => picture.name === name)?.file ?? '';
}

describe('--verify', () => {
  test.for<[name: string, text: string[]]>([
    [
      'es256',
      [
        'The file is unchanged, but it is not proven that OpenAI signed it.',
        ...NAMES,
        `  Problem    ${UNKNOWN}`,
        '',
      ],
    ],
    [
      'a byte after the end',
      [
        'The content credentials do not hold.',
        ...NAMES,
        '  Problem    The picture was changed after it was signed.',
        '',
      ],
    ],
    ['unsigned', ['The file has no content credentials.', '']],
  ])('says what it found: %s', async ([name, text], { commandEnv }) => {
    const { code, stdout, stderr } = await run(commandEnv, ['--verify', fileOf(name)]);
    expect({ code, stderr, text: stdout.toString().split('\n') }).toEqual({
      code: 65,
      stderr: '',
      text,
    });
  });

  test('prints an object with --json', async ({ commandEnv }) => {
    const [file, unsigned] = [fileOf('es256'), fileOf('unsigned')];
    const outcomes = [
      await run(commandEnv, ['--verify', file, '--json']),
      await run(commandEnv, ['--verify', unsigned, '--json']),
    ];
    expect(outcomes).toMatchObject([
      { code: 65, stderr: '' },
      { code: 65, stderr: '' },
    ]);
    expect(outcomes.flatMap((outcome) => events(outcome))).toEqual([
      {
        type: 'credentials',
        path: file,
        credentials: {
          intact: true,
          trusted: false,
          signer: 'OpenAI Media Service (OpenAI OpCo, LLC)',
          generator: 'Test Media Service',
          problem: UNKNOWN,
        },
      },
      { type: 'credentials', path: unsigned, credentials: null },
    ]);
  });

  test('refuses a file that cannot be read, is no PNG, or comes with a prompt', async ({
    codex,
    commandEnv,
  }) => {
    const text = path.join(codex.home, 'text.png');
    await writeFile(text, 'a red fox');
    const missing = path.join(NOWHERE, 'fox.png');
    const outcomes = [
      await run(commandEnv, ['--verify', missing]),
      await run(commandEnv, ['--verify', text]),
      await run(commandEnv, ['--verify', text, 'a red fox']),
    ];
    expect(outcomes.map(({ code }) => code)).toEqual([64, 64, 64]);
    expect(outcomes.map(({ stderr }) => stderr)).toEqual([
      `codex-image: ${missing} cannot be read: no such file or directory. [USAGE]\n`,
      'codex-image: Invalid option `--verify`: it is plain text. [INVALID_OPTIONS]\n',
      expect.stringContaining('--verify takes no prompt: “a red fox”'),
    ]);
  });
});
