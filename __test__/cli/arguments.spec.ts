// How the command parses its arguments, and which it refuses before Codex starts.

import { cp, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import manifest from '../../package.json' with { type: 'json' };
import { events, run, test, type CommandEnvironment } from '../support/cli/command.js';
import { png } from '../support/image/small-png.js';
import { valuesOf } from '../support/call/arguments.js';
import { HANG, save, turn } from '../support/stub/steps.js';
import type { StubCodex } from '../support/stub/stub.js';
import type { Recording } from '../support/stub/stub-script.js';
import { installStub } from '../support/stub/stub-program.js';

const DRAWN = turn(save('store', png()));

/** What Codex was started with. */
async function recorded(
  codex: StubCodex,
  commandEnv: CommandEnvironment,
  args: string[],
  stdin?: string | Uint8Array,
): Promise<Recording & { stdin: string }> {
  await codex.play(DRAWN);
  const { code, stderr } = await run(commandEnv, args, stdin === undefined ? {} : { stdin });
  expect(stderr).not.toContain('codex-image:');
  expect(code).toBe(0);
  const recording = await codex.turn();
  return { ...recording, stdin: recording.stdin ?? '' };
}

describe('a wrong command line', () => {
  test.for<[what: string, args: string[], reason: RegExp]>([
    ['no prompt', [], /There is no prompt\. `-` reads it from stdin\. `codex-image --help` tells/],
    ['a blank prompt', [' \n'], /prompt is blank/],
    ['a prompt without quotes', ['a', 'red', 'fox'], /put it in quotes/],
    ['an unknown option', ['a fox', '--frame'], /no option “--frame”\. `/],
    ['an unknown option with a value', ['a fox', '--frame.size=3'], /no option “--frame\.size”/],
    ['a member of every object', ['a fox', '--constructor'], /no option “--constructor”/],
    ['an unknown short option', ['a fox', '-x'], /no option “-x”/],
    ['a letter too few', ['a fox', '--tranparent'], /Did you mean --transparent\? `/],
    ['a letter too many', ['a fox', '--forrce'], /Did you mean --force\?/],
    ['two letters swapped', ['a fox', '--aspetc=1:1'], /“--aspetc”\. Did you mean --aspect\?/],
    ['the beginning of an option', ['a fox', '--out', 'fox.png'], /Did you mean --output\?/],
    ['more than an option', ['a fox', '--reference', 'fox.png'], /Did you mean --ref\?/],
    ['a single dash', ['a fox', '-force'], /no option “-force”\. Did you mean --force\?/],
    ['a single dash with a value', ['a fox', '-output=x'], /Did you mean --output\?/],
    ['an option without its value', ['a fox', '--aspect'], /--aspect needs a value/],
    ['an option for another’s value', ['a fox', '-o', '--json'], /-o needs .* “--json” looks like/],
    ['a value for a switch', ['a fox', '--transparent=no'], /--transparent takes no value/],
    [
      'a prompt that begins with a dash',
      ['--a fox'],
      /“--a fox”\. If the .* “-”, put -- before it/,
    ],
    ['a prompt like a bullet', ['- a fox'], /If the prompt begins with “-”, put -- before it/],
    ['a prompt like short options', ['-red fox'], /no prompt\. .* “-”, put -- before it/],
    ['a prompt like short options in one word', ['-fox'], /no prompt\. .* “-”, put -- before it/],
    ['a prompt like two words', ['-model railway'], /“-model railway”\. If the prompt begins/],
    ['a prompt like one option', ['--frame'], /If the prompt begins with “-”, put -- before it/],
    ['the word help', ['help'], /Did you mean `codex-image --help`\? .* put -- before it/],
    ['the word check', ['check', '--json'], /Did you mean `codex-image --check`\?/],
    ['the word login', ['login', '-o', 'x.png'], /Did you mean `codex login`\?/],
    ['a directory for the file', ['a fox', '-o', 'pictures/'], /names a directory.*: “pictures\/”/],
    ['this directory', ['a fox', '-o', '.'], /--output names a directory, not a file: “\.”/],
    ['the one above', ['a fox', '-f', '-o', 'nowhere/..'], /--output names a directory/],
    ['an empty file name', ['a fox', '-o', ''], /--output is empty/],
    ['an empty reference', ['a fox', '-r', ''], /--ref is empty/],
    ['an empty path of Codex', ['a fox', '--codex', ''], /--codex is empty/],
    [
      'an unknown sandbox',
      ['a fox', '--sandbox', 'none'],
      /`--sandbox`: it must be one of 'auto', /,
    ],
    ['no time', ['a fox', '--timeout', 'soon'], /--timeout must be .*, not “soon”/],
    ['an unknown unit', ['a fox', '--timeout', '5d'], /--timeout/],
    ['a negative time', ['a fox', '--timeout=-5m'], /--timeout/],
    ['no time at all', ['a fox', '--timeout', '0'], /`--timeout`: .* milliseconds from 1 to /],
    [
      'a time beyond all limits',
      ['a fox', '--timeout', '1000h'],
      /`--timeout`: .* milliseconds from 1 to /,
    ],
    ['no aspect', ['a fox', '--aspect', 'wide'], /`--aspect`: .*like '16:9'/],
    ['no name of a model', ['a fox', '--model', ' '], /`--model`/],
    ['too many references', ['a fox', ...'123456'.split('').flatMap((n) => ['-r', n])], /`--ref`/],
    ['a reference that is not there', ['a fox', '-r', 'b.png'], /`--ref b.png`: .*no such file/],
    ['no thread', ['--recover', 'mine'], /`--recover`/],
    ['a check of a prompt', ['--check', 'a fox'], /--check takes no prompt: “a fox”/],
    [
      'a check of a sentence',
      ['--check', 'A fox.'],
      /takes no prompt: “A fox.” `codex-image --help`/,
    ],
    ['a quota without a check', ['a fox', '--quota'], /--quota belongs to --check/],
    ['a recovery of a prompt', ['--recover', 'x', 'a fox'], /--recover takes no prompt/],
    ['no number of pictures', ['a fox', '-n', 'many'], /-n must be .* from 1 to 100, not “many”/],
    ['no picture at all', ['a fox', '--count=0'], /-n must be a number from 1 to 100, not “0”/],
    ['too many pictures', ['a fox', '-n101'], /-n must be .* not “101”/],
    ['several pictures on stdout', ['a fox', '-n2', '-o', '-'], /-n .* stdout takes one picture/],
    ['several of a bad aspect', ['a fox', '-n2', '-a', 'wide'], /`--aspect`: .*like '16:9'/],
    ['several of no reference', ['a fox', '-n2', '-r', 'b.png'], /“b.png” cannot be read: no such/],
    ['two kinds of several', ['-n2', '--batch', 'x.jsonl'], /--batch and --count exclude/],
    ['several recoveries', ['--recover', 'x', '-n', '2'], /--recover and --count exclude/],
    ['a check of a batch', ['--check', '--batch', 'x.jsonl'], /--check and --batch exclude/],
    ['a batch and a prompt', ['--batch', 'x.jsonl', 'a fox'], /--batch takes no prompt: “a fox”/],
    ['a batch and a file', ['--batch', 'x.jsonl', '-o', 'x'], /each line may name its own/],
    ['no such batch', ['--batch', 'x.jsonl'], /x\.jsonl cannot be read: no such file/],
    ['a batch from stdin', ['--batch', '-'], /- cannot be read: no such file/],
    ['a prompt after mcp', ['mcp', 'a fox'], /mcp takes no prompt: “a fox”/],
    ['a sandbox for mcp', ['mcp', '--sandbox', 'auto'], /mcp does not take --sandbox/],
    ['JSON for mcp', ['mcp', '--json'], /mcp does not take --json/],
    ['a root for a prompt', ['a fox', '--root', '.'], /--root is an option of mcp/],
    ['both JSON and the image', ['a fox', '--json', '-o', '-'], /both want stdout/],
  ])(
    'exits with 64 and the reason, and starts no turn: %s',
    async ([, args, reason], { codex, commandEnv }) => {
      await codex.play(DRAWN);
      const json = args.includes('--json');
      const { code, stdout, stderr } = await run(commandEnv, args);
      expect(code).toBe(64);
      const told = stderr.split('\n').find((line) => line.startsWith('codex-image: '));
      expect(json ? stdout.toString() : told).toMatch(reason);
      expect(told ?? '').not.toMatch(/[.?!]\. /);
      const turns = (await codex.recordings()).filter(({ command }) => command === 'exec');
      expect(turns).toEqual([]);
    },
  );

  test.for<[what: string, stdin: string | Uint8Array]>([
    ['nothing', ''],
    ['a blank prompt', ' \n'],
    ['what is no text', Uint8Array.of(0x66, 0xff, 0x6f)],
  ])('exits with 64: %s on stdin', async ([, stdin], { codex, commandEnv }) => {
    const { code, stderr } = await run(commandEnv, ['-'], { stdin });
    expect(code).toBe(64);
    expect(stderr).toMatch(/^codex-image: The prompt on stdin is (blank|not UTF-8)\. \[USAGE\]\n$/);
    expect(await codex.recordings()).toEqual([]);
  });

  test('is reported as an object with --json', async ({ commandEnv }) => {
    const outcome = await run(commandEnv, ['a fox', '--frame', '--json']);
    expect(outcome).toMatchObject({ code: 64, stderr: '' });
    expect(events(outcome)).toEqual([
      {
        type: 'error',
        code: 'USAGE',
        option: '--frame',
        message: expect.stringContaining('“--frame”'),
      },
    ]);
  });

  test.for<[option: string, args: string[]]>([
    ['--aspect', ['a fox', '--aspect', 'wide']],
    ['--model', ['a fox', '--model=']],
    ['--ref', ['a fox', '-r', 'b.png']],
    ['--recover', ['--recover', 'mine']],
    ['--timeout', ['a fox', '--timeout', '0']],
    ['--timeout', ['a fox', '--timeout', 'soon']],
    ['--output', ['a fox', '-o', 'pictures/']],
    ['--check', ['--check', 'a fox']],
    ['-t', ['a fox', '-t=no']],
  ])('names the option %s with --json: %j', async ([option, args], { commandEnv }) => {
    const outcome = await run(commandEnv, [...args, '--json']);
    expect(outcome).toMatchObject({ code: 64, stderr: '' });
    expect(events(outcome).at(-1)).toMatchObject({ type: 'error', option });
  });

  test('is reported as text if only the prompt is --json', async ({ commandEnv }) => {
    const outcome = await run(commandEnv, ['--frame', '--', '--json']);
    expect(outcome.code).toBe(64);
    expect(outcome.stderr).toContain('“--frame”');
  });
});

describe('the prompt', () => {
  test('may look like an option after --', async ({ codex, commandEnv }) => {
    expect((await recorded(codex, commandEnv, ['-q', '--', '--json'])).stdin).toContain(
      '\n--json\n',
    );
  });

  test.for(['help', 'check', 'login', 'mcp'])(
    'may be the word %s after --',
    async (word, { codex, commandEnv }) => {
      expect((await recorded(codex, commandEnv, ['-q', '--', word])).stdin).toContain(
        `\n${word}\n`,
      );
    },
  );

  test('may begin with such a word', async ({ codex, commandEnv }) => {
    expect((await recorded(codex, commandEnv, ['help me'])).stdin).toContain('\nhelp me\n');
  });

  test('comes from stdin as a whole', async ({ codex, commandEnv }) => {
    const prompt = `two lines\nof "text" $HOME 狐 ${'x'.repeat(200_000)}`;
    const { stdin } = await recorded(codex, commandEnv, ['-', '-o', 'fox.png'], `${prompt}\n`);
    expect(stdin).toContain(`\n${prompt}\n`);
  });
});

test('all options reach Codex', async ({ codex, commandEnv }) => {
  await writeFile(path.join(commandEnv.scratch, 'a.png'), png({ seed: 2 }));
  await writeFile(path.join(commandEnv.scratch, 'b.png'), png({ seed: 3 }));
  const { args, stdin, cwdEntries } = await recorded(codex, commandEnv, [
    'a red fox',
    '--output=fox.png',
    '--aspect=16:9',
    '--transparent',
    '--ref=a.png',
    `--ref=${path.join(commandEnv.scratch, 'b.png')}`,
    '--model=gpt-5.5',
    '--sandbox=read-only',
  ]);
  expect(stdin).toContain('a red fox');
  expect(stdin).toContain('16:9');
  expect(stdin).toMatch(/transparent/i);
  expect(valuesOf('--model', args)).toEqual(['gpt-5.5']);
  expect(valuesOf('--sandbox', args)).toEqual(['read-only']);
  expect(cwdEntries).toEqual(expect.arrayContaining(['reference-1.png', 'reference-2.png']));
});

test('the paths of Codex and of its home may be relative', async ({ codex, commandEnv }) => {
  await installStub(path.join(commandEnv.scratch, 'my-codex'));
  await cp(codex.home, path.join(commandEnv.scratch, 'my-home'), { recursive: true });
  const { CODEX_BIN: _, CODEX_HOME: __, ...env } = commandEnv.env;
  const args = ['a fox', '--codex', './my-codex', '--codex-home', 'my-home', '-o', 'fox.png'];
  const recording = await recorded(codex, { ...commandEnv, env }, args);
  expect(recording.env['CODEX_HOME']).toBe(path.join(commandEnv.scratch, 'my-home'));
});

describe('--timeout', () => {
  test.for<[time: string, seconds: string]>([
    ['250ms', '0.25'],
    ['1', '1'],
    ['1s', '1'],
    ['0.02m', '1.2'],
    ['0.0003h', '1.08'],
  ])('accepts %s', async ([time, seconds], { codex, commandEnv }) => {
    await codex.play(turn(HANG));
    const { code, stderr } = await run(commandEnv, ['a fox', '--timeout', time]);
    expect(code).toBe(75);
    expect(stderr).toContain(`within ${seconds} s.`);
    expect(stderr).toContain('Allow more time with --timeout. [TIMEOUT]');
    await codex.expectNothingLeft();
  });
});

test.for(['--help', '-h'])('%s prints the usage', async (flag, { codex, commandEnv }) => {
  const { code, stdout, stderr } = await run(commandEnv, ['a fox', flag, '--no-preview']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const text = stdout.toString();
  expect(text).toContain('Usage: codex-image [options] PROMPT');
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect(text.match(/^ {2}codex-image "/gm)).toHaveLength(3);
  expect(text).toContain('npm install -g @openai/codex');
  expect(text).toContain('codex login');
  expect(await codex.recordings()).toEqual([]);
});

test.for(['--version', '-V'])('%s prints the version', async (flag, { commandEnv }) => {
  const { code, stdout } = await run(commandEnv, [flag]);
  expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: `${manifest.version}\n` });
});
