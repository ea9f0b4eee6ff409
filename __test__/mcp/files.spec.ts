// Files of the tools: only below the roots, never over another file, and checked before a turn is
// spent.

import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { isWithin } from '../../bin/mcp/roots.mjs';
import { isReserved } from '../../bin/output.mjs';
import { type CommandEnvironment, test } from '../support/cli/command.js';
import { png } from '../support/image/small-png.js';
import { type Connecting, dataOf, ERAS, OLD, textOf, withClient } from '../support/mcp/client.js';
import { LINUX, WINDOWS } from '../support/platform.js';
import { RUNNING, save, turn } from '../support/stub/steps.js';
import type { StubCodex } from '../support/stub/stub.js';

const PICTURE = png({ width: 9, height: 7, seed: 5 });
const DRAWN = turn(save('store', PICTURE));
const MINE = 'not to be lost';

/** `scratch/root`, the only root, beside `scratch/elsewhere`. Each has a file of the user. */
async function layOut({ scratch }: CommandEnvironment) {
  const root = path.join(scratch, 'root');
  const elsewhere = path.join(scratch, 'elsewhere');
  for (const directory of [path.join(root, 'deep'), elsewhere]) {
    await mkdir(directory, { recursive: true });
  }
  await writeFile(path.join(root, 'mine.png'), MINE);
  await writeFile(path.join(root, 'cat.png'), png({ seed: 2 }));
  await writeFile(path.join(elsewhere, 'secret.png'), png({ seed: 3 }));
  await symlink(elsewhere, path.join(root, 'way-out'), 'junction');
  await symlink('deep', path.join(root, 'way-in'), 'junction');
  return { root, elsewhere };
}

/** All paths below the directory with the user's own contents. */
async function contents(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).toSorted();
}

/** Makes a call that must be refused, and asserts that nothing was started or changed. */
async function refusal(
  codex: StubCodex,
  commandEnv: CommandEnvironment,
  connecting: Connecting,
  args: Record<string, unknown>,
) {
  await codex.play(DRAWN);
  const before = await contents(commandEnv.scratch);
  const result = await withClient(commandEnv, connecting, (client) =>
    client.call('generate_image', { prompt: 'a fox', ...args }),
  );
  expect(result.isError).toBe(true);
  expect(await codex.recordings(), 'processes of Codex').toEqual([]);
  expect(await contents(commandEnv.scratch)).toEqual(before);
  const { images, failures } = dataOf(result);
  expect({ images, failures }).toMatchObject({ images: [], failures: [{ retryable: false }] });
  // Paths that the caller does not know.
  expect(textOf(result)).not.toContain(path.join(commandEnv.scratch, 'root'));
  expect(textOf(result)).not.toContain(codex.home);
  return failures[0] ?? {};
}

type Args = Record<string, unknown>;
type Case = [what: string, code: string, args: (places: { elsewhere: string }) => Args];

const OUTPUTS: Case[] = [
  [
    'an absolute path',
    'OUTSIDE_ROOTS',
    ({ elsewhere }) => ({ output_path: path.join(elsewhere, 'fox.png') }),
  ],
  ['a path with ..', 'OUTSIDE_ROOTS', () => ({ output_path: '../elsewhere/fox.png' })],
  [
    'a path through .. below the root',
    'OUTSIDE_ROOTS',
    () => ({ output_path: 'deep/../../a.png' }),
  ],
  ['the root itself', 'OUTSIDE_ROOTS', () => ({ output_path: '.' })],
  ['a link to a directory', 'OUTSIDE_ROOTS', () => ({ output_path: 'way-out/fox.png' })],
  [
    'what is missing behind a link to a directory',
    'OUTSIDE_ROOTS',
    () => ({ output_path: 'way-out/nowhere/fox.png' }),
  ],
  ['an existing file', 'OUTPUT_EXISTS', () => ({ output_path: 'mine.png' })],
  ['an existing file by way of a link', 'OUTPUT_EXISTS', () => ({ output_path: 'way-in/own.png' })],
  ['a directory', 'OUTPUT_EXISTS', () => ({ output_path: 'folder.png' })],
  ['one of several files', 'OUTPUT_EXISTS', () => ({ output_path: 'own.png', count: 2 })],
  ['a missing directory', 'OUTPUT_FAILED', () => ({ output_path: 'nowhere/fox.png' })],
  ['another extension', 'INVALID_OPTIONS', () => ({ output_path: 'fox.sh' })],
  ['no name before the extension', 'INVALID_OPTIONS', () => ({ output_path: 'deep/.png' })],
  ['the name of a directory', 'INVALID_OPTIONS', () => ({ output_path: 'fox.png/' })],
  ['a control character', 'INVALID_OPTIONS', () => ({ output_path: 'fox\n.png' })],
];

/** Windows creates links to files only for some users. */
const LINKS: Case[] = [
  ['a link to a file', 'OUTPUT_EXISTS', () => ({ output_path: 'link.png' })],
  ['a link to nothing', 'OUTPUT_EXISTS', () => ({ output_path: 'dangling.png' })],
];

const REFERENCES: Case[] = [
  [
    'an absolute path',
    'OUTSIDE_ROOTS',
    ({ elsewhere }) => ({ reference_images: [path.join(elsewhere, 'secret.png')] }),
  ],
  [
    'a path with ..',
    'OUTSIDE_ROOTS',
    () => ({ reference_images: ['cat.png', '../elsewhere/secret.png'] }),
  ],
  ['a link to a directory', 'OUTSIDE_ROOTS', () => ({ reference_images: ['way-out/secret.png'] })],
  [
    'what is missing behind a link to a directory',
    'OUTSIDE_ROOTS',
    () => ({ reference_images: ['way-out/nowhere.png'] }),
  ],
  ['a missing file', 'INVALID_OPTIONS', () => ({ reference_images: ['nowhere.png'] })],
];

const REFERENCE_LINKS: Case[] = [
  ['a link to a file', 'OUTSIDE_ROOTS', () => ({ reference_images: ['secret-link.png'] })],
];

describe.for([
  ['an output', [...OUTPUTS, ...(WINDOWS ? [] : LINKS)]],
  ['a reference image', [...REFERENCES, ...(WINDOWS ? [] : REFERENCE_LINKS)]],
] as const)('%s is refused before anything is spent', ([, cases]) => {
  test.for(cases)('%s: %s', async ([, code, args], { codex, commandEnv }) => {
    const { root, elsewhere } = await layOut(commandEnv);
    await mkdir(path.join(root, 'folder.png'));
    await writeFile(path.join(root, 'deep', 'own.png'), MINE);
    await writeFile(path.join(root, 'own-2.png'), MINE);
    if (!WINDOWS) {
      await symlink('mine.png', path.join(root, 'link.png'));
      await symlink('nothing', path.join(root, 'dangling.png'));
      await symlink('../elsewhere/secret.png', path.join(root, 'secret-link.png'));
    }
    const failure = await refusal(codex, commandEnv, { roots: [root] }, args({ elsewhere }));
    expect(failure).toMatchObject({ code, fix: expect.stringMatching(/\.$/) });
    expect(await readFile(path.join(root, 'mine.png'), 'utf8')).toBe(MINE);
  });
});

describe.for(ERAS)('the roots of a client of $version', (era) => {
  test('are all allowed', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const { root, elsewhere } = await layOut(commandEnv);
    const roots = [root, elsewhere];
    const output_path = path.join(elsewhere, 'fox.png');
    const result = await withClient(commandEnv, { era, roots }, (client) =>
      client.call('generate_image', { prompt: 'a fox', output_path }),
    );
    expect(dataOf(result)).toMatchObject({ images: [{ path: output_path }], failures: [] });
  });

  test('may be links themselves', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const { root, elsewhere } = await layOut(commandEnv);
    const link = path.join(root, 'way-out');
    const result = await withClient(commandEnv, { era, roots: [link] }, (client) =>
      client.call('generate_image', { prompt: 'a fox', output_path: path.join(link, 'fox.png') }),
    );
    expect(dataOf(result).images).toMatchObject([{ path: path.join(elsewhere, 'fox.png') }]);
  });

  test.skipIf(WINDOWS)(
    'may have control characters in their names',
    async ({ codex, commandEnv }) => {
      const root = path.join(commandEnv.scratch, 'two\nlines');
      await mkdir(root);
      await codex.play(DRAWN);
      const result = await withClient(commandEnv, { era, roots: [root] }, (client) =>
        client.call('generate_image', { prompt: 'a fox', output_path: 'fox.png' }),
      );
      expect(dataOf(result)).toMatchObject({ failures: [] });
      expect(await readFile(path.join(root, 'fox.png'))).toEqual(PICTURE);
    },
  );

  test('refuse everything if none is a directory here', async ({ codex, commandEnv }) => {
    const roots = [path.join(commandEnv.scratch, 'nowhere')];
    const failure = await refusal(codex, commandEnv, { era, roots }, {});
    expect(failure).toMatchObject({ code: 'NO_ROOTS' });
  });

  test('may be none, which allows the working directory', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const { root } = await layOut(commandEnv);
    const result = await withClient(commandEnv, { era, roots: [], cwd: root }, (client) =>
      client.call('generate_image', { prompt: 'a fox', output_path: 'deep/fox.png' }),
    );
    expect(dataOf(result).images).toMatchObject([{ path: path.join(root, 'deep', 'fox.png') }]);
  });

  test('give way to --root', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const { root, elsewhere } = await layOut(commandEnv);
    const connecting = { era, roots: [root], args: ['--root', elsewhere] };
    const result = await withClient(commandEnv, connecting, (client) =>
      client.call('generate_image', { prompt: 'a fox' }),
    );
    expect(dataOf(result).images).toMatchObject([{ path: path.join(elsewhere, 'a-fox.png') }]);
  });
});

describe('a client without roots', () => {
  test('is confined to the working directory', async ({ codex, commandEnv }) => {
    const { root } = await layOut(commandEnv);
    const output_path = '../elsewhere/fox.png';
    const failure = await refusal(codex, commandEnv, { cwd: root }, { output_path });
    expect(failure).toMatchObject({ code: 'OUTSIDE_ROOTS' });
  });

  test('is refused in the root directory', async ({ codex, commandEnv }) => {
    const { root: everything } = path.parse(commandEnv.scratch);
    const failure = await refusal(codex, commandEnv, { cwd: everything }, {});
    expect(failure).toMatchObject({
      code: 'NO_ROOTS',
      message: expect.stringContaining('--root'),
    });
  });
});

// Elsewhere root may write in every directory.
test.skipIf(!LINUX)(
  'a directory in which no file can be made is refused',
  async ({ codex, commandEnv }) => {
    const failure = await refusal(codex, commandEnv, { args: ['--root', '/proc'] }, {});
    expect(failure).toMatchObject({ code: 'OUTPUT_FAILED' });
  },
);

test('a client that does not name its roots is refused', async ({ codex, commandEnv }) => {
  await codex.play(DRAWN);
  const result = await withClient(commandEnv, { era: OLD, roots: [] }, (client) => {
    client.client.removeRequestHandler('roots/list');
    return client.call('generate_image', { prompt: 'a fox' });
  });
  expect(result.isError).toBe(true);
  expect(await codex.recordings()).toEqual([]);
});

describe('on Windows', () => {
  test.for([
    [String.raw`C:\site`, String.raw`c:\SITE\deep\fox.png`, true],
    [String.raw`C:\site`, String.raw`C:\site\..fox.png`, true],
    [String.raw`C:\site`, String.raw`C:\site`, false],
    [String.raw`C:\site`, String.raw`C:\sites\fox.png`, false],
    [String.raw`C:\site`, String.raw`D:\site\fox.png`, false],
    [String.raw`C:\site`, String.raw`\\server\share\fox.png`, false],
    [String.raw`C:\site`, String.raw`\\?\C:\site\fox.png`, false],
    [String.raw`\\server\share`, String.raw`\\server\share\fox.png`, true],
    [String.raw`\\server\share`, String.raw`\\server\other\fox.png`, false],
  ] as const)('%s allows %s: %s', ([root, file, allowed]) => {
    expect(isWithin(root, file, path.win32)).toBe(allowed);
  });

  test.for(['con.png', 'LPT1.v2.png', 'mine.txt:fox.png', 'a|b.png', 'nul .png'])(
    'the name %s is refused, which other systems allow',
    (name) => {
      expect(isReserved(name, 'win32')).toBe(true);
      expect(isReserved(name, 'linux')).toBe(false);
    },
  );

  test.for(['fox.png', 'console.png', 'a.con.png', '狐.png'])('the name %s is allowed', (name) => {
    expect(isReserved(name, 'win32')).toBe(false);
  });
});

describe('while Codex draws', () => {
  const GATED = turn(RUNNING, { do: 'await', gate: 'draw' }, save('store', PICTURE));

  test('a file that appears stays, and the image gets another name', async ({
    codex,
    commandEnv,
  }) => {
    await codex.play(GATED);
    const file = path.join(commandEnv.scratch, 'fox.png');
    const result = await withClient(commandEnv, {}, async (client) => {
      const call = client.call('generate_image', { prompt: 'a fox', output_path: 'fox.png' });
      await codex.reached('running');
      await writeFile(file, MINE);
      await codex.open('draw');
      return call;
    });
    expect(dataOf(result).images).toMatchObject([
      {
        path: path.join(commandEnv.scratch, 'fox-2.png'),
        warnings: [`${file} appeared meanwhile, and was left alone.`],
      },
    ]);
    expect(await readFile(file, 'utf8')).toBe(MINE);
  });

  test('a directory that becomes a link out of the roots gets no file', async ({
    codex,
    commandEnv,
  }) => {
    await codex.play(GATED);
    const { root, elsewhere } = await layOut(commandEnv);
    const deep = path.join(root, 'deep');
    const [failed, recovered] = await withClient(commandEnv, { roots: [root] }, async (client) => {
      const call = client.call('generate_image', { prompt: 'a fox', output_path: 'deep/fox.png' });
      await codex.reached('running');
      await rename(deep, path.join(root, 'moved'));
      await symlink(elsewhere, deep, 'junction');
      await codex.open('draw');
      const result = await call;
      const thread_id = dataOf(result).failures[0]?.['thread_id'];
      return [result, await client.call('recover_image', { thread_id, output_path: 'fox.png' })];
    });
    const { threadId } = await codex.turn();
    expect(dataOf(failed).failures).toMatchObject([
      { code: 'OUTPUT_FAILED', thread_id: threadId, fix: expect.stringContaining('recover_image') },
    ]);
    expect(await readdir(elsewhere)).toEqual(['secret.png']);
    expect(dataOf(recovered).images).toMatchObject([{ path: path.join(root, 'fox.png') }]);
  });
});
