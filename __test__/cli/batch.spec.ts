// The lines of a batch: what they mean, and that all mistakes are reported before Codex starts.

import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { events, run, test, type CommandEnvironment } from '../support/cli/command.js';
import { PICTURE, png } from '../support/image/small-png.js';
import { save, turn } from '../support/stub/steps.js';

async function writeBatch(commandEnv: CommandEnvironment, text: string | Uint8Array) {
  await writeFile(path.join(commandEnv.scratch, 'all.jsonl'), text);
}

const COMMAND = ['--batch', 'all.jsonl'];

describe('a batch with mistakes', () => {
  test('is refused with all of them before anything is started', async ({ codex, commandEnv }) => {
    await codex.play(turn(save('store', PICTURE)));
    const lines = [
      '{"prompt":"a fox","output":"fox.png"}',
      '{"promt":"a fox","size":1}',
      'a fox',
      '',
      '{"prompt":" ","aspect":5,"transparent":"yes","output":"x/"}',
      '{"prompt":"a fox","references":["no.png"]}',
      '{"prompt":"a fox","references":"no.png","output":"-"}',
      '["a fox"]',
      '{"prompt":"a cat","output":"./fox.png"}',
      `{"prompt":"a fox","references":${JSON.stringify(Array.from('123456'))}}`,
      '{"prompt":"a fox","references":[1],"output":2}',
      '{"prompt":"a fox","aspect":"wide"}',
    ];
    await writeBatch(commandEnv, lines.join('\r\n'));
    const { code, stdout, stderr } = await run(commandEnv, COMMAND);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 64, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      'codex-image: all.jsonl has 17 mistakes, so no picture was drawn. [USAGE]',
      '  line 2: Invalid option `prompt`: it is required and must be a string.',
      '  line 2: There is no key “promt”. Did you mean “prompt”?',
      '  line 2: There is no key “size”. The keys are prompt, output, aspect, references, transparent.',
      '  line 3: It is not a JSON object.',
      '  line 5: Invalid option `prompt`: it must not be blank.',
      '  line 5: Invalid option `aspect`: it must be a string, not a number.',
      '  line 5: Invalid option `transparent`: it must be a boolean, not a string.',
      '  line 5: `output` names a directory, not a file: “x/”.',
      '  line 6: “no.png” cannot be read: no such file or directory.',
      '  line 7: Invalid option `references`: it must be an array of strings, not a string.',
      '  line 7: `output` must be the name of a file: stdout takes one picture.',
      '  line 8: It is not a JSON object.',
      '  line 9: Line 1 has the same `output`.',
      expect.stringMatching(/^ {2}line 10: Invalid option `references`: .*5/),
      '  line 11: Invalid option `references[0]`: it must be a string, not a number.',
      '  line 11: `output` must be the name of a file.',
      "  line 12: Invalid option `aspect`: it must be two positive whole numbers like '16:9'.",
      '',
    ]);
    expect(await codex.recordings()).toEqual([]);
    expect(await readdir(commandEnv.scratch)).toEqual(['all.jsonl']);
  });

  test('is reported as an object with --json', async ({ commandEnv }) => {
    await writeBatch(commandEnv, '{"prompt":"a fox"}\n{"prompt":"a fox","constructor":1}');
    const outcome = await run(commandEnv, [...COMMAND, '--json']);
    expect(outcome).toMatchObject({ code: 64, stderr: '' });
    expect(events(outcome)).toEqual([
      {
        type: 'error',
        code: 'USAGE',
        message: 'all.jsonl has a mistake, so no picture was drawn.',
        problems: [
          {
            picture: 2,
            name: 'line 2',
            key: 'constructor',
            message: expect.stringContaining('There is no key “constructor”.'),
          },
        ],
      },
    ]);
  });

  test.for<[what: string, text: string | Uint8Array, reason: RegExp]>([
    ['nothing', ' \n\n', /all\.jsonl has no lines/],
    ['what is no text', Uint8Array.of(0x22, 0xff), /all\.jsonl is not UTF-8/],
  ])('is refused: it has %s', async ([, text, reason], { commandEnv }) => {
    await writeBatch(commandEnv, text);
    const { code, stderr } = await run(commandEnv, COMMAND);
    expect(code).toBe(64);
    expect(stderr).toMatch(reason);
  });

  test('is not blamed for an option of the command line', async ({ commandEnv }) => {
    await writeBatch(commandEnv, '{"prompt":"a fox"}');
    const { code, stderr } = await run(commandEnv, [...COMMAND, '-a', 'wide']);
    expect(code).toBe(64);
    expect(stderr).toMatch(/^codex-image: Invalid option `--aspect`: /);
  });
});

test('a line has its options, and else those of the command line', async ({
  codex,
  commandEnv,
}) => {
  await codex.play(turn(save('store', PICTURE)));
  await mkdir(path.join(commandEnv.scratch, 'in'));
  await writeFile(path.join(commandEnv.scratch, 'in/ref.png'), png({ seed: 2 }));
  const lines = [
    // The mark that some editors of Windows write.
    '\uFEFF{"prompt":"a red fox","aspect":"16:9","references":["ref.png"],"transparent":true}',
    '{"prompt":"a blue fox","output":"../blue.png","aspect":null,"references":null}',
  ];
  await writeFile(path.join(commandEnv.scratch, 'in/all.jsonl'), lines.join('\n'));
  const outcome = await run(commandEnv, ['--batch', 'in/all.jsonl', '-a', '4:3', '--json']);
  expect(outcome.code).toBe(0);
  // Names are relative to the batch.
  expect((await readdir(commandEnv.scratch)).toSorted()).toEqual(['blue.png', 'in']);
  expect((await readdir(path.join(commandEnv.scratch, 'in'))).toSorted()).toEqual([
    'a-red-fox.png',
    'all.jsonl',
    'all.jsonl.journal',
    'ref.png',
  ]);
  const turns = (await codex.recordings()).filter(({ command }) => command === 'exec');
  const asked = (prompt: string) => turns.find(({ stdin }) => stdin?.includes(prompt));
  expect(asked('a red fox')?.stdin).toMatch(/aspect ratio of 16:9/);
  expect(asked('a red fox')?.stdin).toMatch(/transparent_background to true/);
  expect(asked('a red fox')?.stdin).toMatch(/reference-1\.png$/m);
  expect(asked('a blue fox')?.stdin).toMatch(/aspect ratio of 4:3/);
  expect(asked('a blue fox')?.stdin).not.toMatch(/transparent_background to true/);
  expect(asked('a blue fox')?.stdin).not.toMatch(/reference-1/);
});
