// Output to pipes: lines for logs, objects for programs, and readers that close their end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';

import { describe, expect, onTestFinished } from 'vitest';

import { CLI, events, run, test, type CommandEnvironment } from '../support/cli/command.js';
import { LINUX, WINDOWS } from '../support/platform.js';
import { png } from '../support/image/small-png.js';
import { HANG, save, say, turn, turnFailed } from '../support/stub/steps.js';
import type { Step } from '../support/stub/stub-script.js';

const PICTURE = png({ width: 8, height: 4, seed: 3 });
const DRAWN = turn(say('I am mixing the colours.'), save('store', PICTURE));

describe('plain output', () => {
  test('has a line for each event, and a summary', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const { code, stdout, stderr } = await run(commandEnv, ['a fox', '-o', 'fox.png']);
    expect(code).toBe(0);
    expect(stdout.toString()).toBe(`${path.join(commandEnv.scratch, 'fox.png')}\n`);
    const lines = stderr.split('\n').slice(0, -1);
    expect(lines.at(-1)).toMatch(/^8 × 4 pixels, 1 kB, in \d+:\d\d$/);
    for (const line of lines.slice(0, -1)) expect(line).toMatch(/^\d+:\d\d {2}\S/);
    expect(lines).toContainEqual(expect.stringMatching(/Starting Codex$/));
    expect(lines).toContainEqual(expect.stringMatching(/I am mixing the colours\.$/));
    expect(stderr).not.toContain('\u001B');
  });

  test('is empty on stderr with --quiet', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    expect(await run(commandEnv, ['a fox', '-q'])).toMatchObject({ code: 0, stderr: '' });
  });

  test('has warnings with --quiet', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const { code, stderr } = await run(commandEnv, ['a fox', '-q', '--transparent']);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'Warning: The picture has no transparent pixels.\n',
    });
  });

  test('tells the source and the thread with --verbose', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const { stderr } = await run(commandEnv, ['a fox', '-v']);
    expect(stderr).toMatch(/^source store, .*thread [\da-f-]{36}/m);
    const { threadId } = await codex.turn();
    expect(stderr).toContain(threadId);
  });

  test("has Codex's messages with --verbose alone", async ({ codex, commandEnv }) => {
    await codex.play([...turn(turnFailed('the dog ate it')), { do: 'exit', code: 1 }]);
    const silent = await run(commandEnv, ['a fox']);
    expect(silent.stderr).not.toContain('the dog ate it');
    expect(silent.stderr).toMatch(/--verbose shows more\.\n$/);
    const verbose = await run(commandEnv, ['a fox', '--verbose']);
    expect(verbose.stderr).toMatch(/^ {2}.*the dog ate it/m);
    expect(verbose.stderr).not.toContain('--verbose');
  });
});

describe('--json', () => {
  test('prints an object a line, and the result last', async ({ codex, commandEnv }) => {
    // Stopped at its image, Codex does not report the tokens.
    await codex.play([...DRAWN.slice(0, -1), HANG]);
    const outcome = await run(commandEnv, ['a fox', '-o', 'fox.png', '--json']);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    const all = events(outcome);
    const { threadId } = await codex.turn();
    expect(all.at(-1)).toEqual({
      type: 'result',
      path: path.join(commandEnv.scratch, 'fox.png'),
      bytes: PICTURE.length,
      width: 8,
      height: 4,
      aspect: { requested: '1:1', received: '2:1', matches: false },
      hasAlpha: false,
      threadId,
      // On Windows the stub is Node, which prints no version of Codex.
      ...(WINDOWS ? {} : { codexVersion: '0.169.0' }),
      source: 'store',
      verified: expect.any(Boolean),
      timings: expect.objectContaining({ totalMs: expect.any(Number) }),
      warnings: [],
    });
    const progress = all.slice(0, -1);
    expect(progress[0]).toEqual({
      type: 'progress',
      phase: 'preflight',
      message: 'Looking for Codex and its login',
      elapsedMs: expect.any(Number),
    });
    expect(progress).toContainEqual({
      type: 'progress',
      phase: 'message',
      message: 'I am mixing the colours.',
      elapsedMs: expect.any(Number),
      threadId,
    });
    expect(new Set(progress.map(({ type }) => type))).toEqual(new Set(['progress']));
  });

  test('prints the warning about another aspect ratio', async ({ codex, commandEnv }) => {
    await codex.play([...DRAWN.slice(0, -1), HANG]);
    const args = ['a fox', '--aspect', '16:9'];
    const result = events(await run(commandEnv, [...args, '--json'])).at(-1);
    const warning = expect.stringMatching(/ 8 × 4 pixels, .* 16:9 /);
    expect(result).toMatchObject({ type: 'result', warnings: [warning] });
    const { stderr } = await run(commandEnv, args);
    expect(stderr).toMatch(/^Warning: .* 8 × 4 pixels, .* 16:9 /m);
  });

  test('prints the error last, with all its members', async ({ codex, commandEnv }) => {
    await codex.play([...turn(turnFailed('the dog ate it')), { do: 'exit', code: 1 }]);
    const outcome = await run(commandEnv, ['a fox', '--json']);
    expect(outcome).toMatchObject({ code: 70, stderr: '' });
    expect(events(outcome).at(-1)).toEqual({
      type: 'error',
      code: 'CODEX_FAILED',
      message: expect.stringContaining('exit 1'),
      status: 502,
      retryable: false,
      exitCode: 1,
      threadId: (await codex.turn()).threadId,
      detail: expect.stringContaining('the dog ate it'),
    });
  });
});

interface Unread {
  code: number;
  /** What was read. */
  told: string;
}

/** Runs a command one of whose streams has no reader when the image arrives. */
const unread = WINDOWS ? unreadInNode : unreadInShell;

/** With pipes like those of a shell. */
async function unreadInShell(
  commandEnv: CommandEnvironment,
  stream: 'stdout' | 'stderr',
  args: string[],
  ready: () => Promise<void>,
): Promise<Unread> {
  const redirection = stream === 'stdout' ? '2>&4' : '2>&1 >&3';
  // The exit code and the other stream bypass the pipe, by the descriptors 3 and 4.
  const script =
    `exec 3>&1 4>&2; { "$@" ${redirection} 3>&- 4>&-; echo "[exit $?]" >&3; } | ` +
    `{ exec <&-; echo '[closed]' >&3; }`;
  const shell = spawn('/bin/sh', ['-c', script, 'sh', process.execPath, CLI, ...args], {
    cwd: commandEnv.scratch,
    env: commandEnv.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void shell.kill('SIGKILL'));
  const told = Promise.all([buffer(shell.stdout), buffer(shell.stderr)]);
  await once(shell.stdout, 'data', { signal: AbortSignal.timeout(30_000) });
  await ready();
  const text = Buffer.concat(await told).toString();
  return { code: Number(/\[exit (\d+)\]/.exec(text)?.[1]), told: text };
}

async function unreadInNode(
  commandEnv: CommandEnvironment,
  stream: 'stdout' | 'stderr',
  args: string[],
  ready: () => Promise<void>,
): Promise<Unread> {
  const command = spawn(process.execPath, [CLI, ...args], {
    cwd: commandEnv.scratch,
    env: commandEnv.env,
  });
  onTestFinished(() => void command.kill('SIGKILL'));
  const exited = once(command, 'exit');
  const told = buffer(stream === 'stdout' ? command.stderr : command.stdout);
  command.stdin.end();
  command[stream].destroy();
  await once(command[stream], 'close');
  await ready();
  const [code] = await exited;
  return { code, told: (await told).toString() };
}

describe('a reader that closes its end', () => {
  const GATED: Step[] = turn({ do: 'await', gate: 'draw' }, save('store', PICTURE));

  test.for<[what: string, stream: 'stdout' | 'stderr', args: string[]]>([
    ['the path', 'stdout', []],
    ['the events', 'stdout', ['--json']],
    ['the progress', 'stderr', []],
  ])('does not stop the call if it reads %s', async ([, stream, args], { codex, commandEnv }) => {
    await codex.play(GATED);
    const command = ['a fox', '-o', 'fox.png', ...args];
    const { code, told } = await unread(commandEnv, stream, command, () => codex.open('draw'));
    expect({ code, told }).toMatchObject({ code: 0 });
    expect(told).not.toContain('codex-image:');
    expect(await readFile(path.join(commandEnv.scratch, 'fox.png'))).toEqual(PICTURE);
  });

  test('makes the call fail if it reads the image', async ({ codex, commandEnv }) => {
    await codex.play(GATED);
    const command = ['a fox', '-o', '-'];
    const { code, told } = await unread(commandEnv, 'stdout', command, () => codex.open('draw'));
    expect({ code, told }).toMatchObject({ code: 73 });
    expect(told).toMatch(/stdout cannot be written: broken pipe\. Codex has kept the picture/);
    expect(await readdir(commandEnv.scratch)).toEqual([]);
  });

  test('does not change the exit code of a failure', async ({ codex, commandEnv }) => {
    await codex.play(turn({ do: 'await', gate: 'draw' }));
    const { code } = await unread(commandEnv, 'stderr', ['a fox'], () => codex.open('draw'));
    expect(code).toBe(65);
  });
});

/** Runs the command with that redirection of a shell. */
async function redirected(
  commandEnv: CommandEnvironment,
  args: string,
  redirection: string,
): Promise<{ code: number; stderr: string }> {
  const command = `"$0" "$1" 'a fox' -q ${args} ${redirection}`;
  const shell = spawn('/bin/sh', ['-c', command, process.execPath, CLI], {
    cwd: commandEnv.scratch,
    env: commandEnv.env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [[code], stderr] = await Promise.all([once(shell, 'close'), buffer(shell.stderr)]);
  return { code, stderr: stderr.toString() };
}

// The shell of Windows cannot close a stream.
describe.skipIf(WINDOWS)('a stdout that is closed', () => {
  test.for(['>&-', '>/dev/null'])(
    'fails a call whose image it should get, before a turn is spent: %s',
    async (redirection, { codex, commandEnv }) => {
      await codex.play(DRAWN);
      const { code, stderr } = await redirected(commandEnv, '-o -', redirection);
      expect({ code, stderr }).toEqual({
        code: 73,
        stderr: 'codex-image: stdout is closed, so the picture would be lost. [OUTPUT_FAILED]\n',
      });
      expect(await codex.recordings()).toEqual([]);
    },
  );

  test('does not fail a call whose image goes to a file', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    expect(await redirected(commandEnv, '-o fox.png', '>&-')).toEqual({ code: 0, stderr: '' });
    expect(await readFile(path.join(commandEnv.scratch, 'fox.png'))).toEqual(PICTURE);
  });
});

// Only Linux has a device that is always full.
test.skipIf(!LINUX).for<[what: string, args: string]>([
  ['path', ''],
  ['last event', '--json'],
])(
  'a call fails if its %s cannot be written to a full disk',
  async ([, args], { codex, commandEnv }) => {
    await codex.play(DRAWN);
    const { code, stderr } = await redirected(commandEnv, `-o fox.png ${args}`, '>/dev/full');
    expect(code).toBe(73);
    expect(stderr).toContain('stdout cannot be written: no space left on device.');
    expect(await readFile(path.join(commandEnv.scratch, 'fox.png'))).toEqual(PICTURE);
  },
);
