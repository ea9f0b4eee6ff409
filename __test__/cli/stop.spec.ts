// Ctrl-C and signals stop the call, and nothing of it is left.

import { readdir } from 'node:fs/promises';

import { describe, expect } from 'vitest';

import { events, Piped, Terminal, test, type CommandEnvironment } from '../support/cli/command.js';
import { WINDOWS } from '../support/platform.js';
import { HANG, TERMINATION_SIGNALS, RUNNING, turn } from '../support/stub/steps.js';
import type { StubCodex } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';
import { POLLING } from '../support/process/survivors.js';

const CTRL_C = '\u0003';
const GRANDCHILD: Step = { do: 'tool', ownSession: true, ignores: TERMINATION_SIGNALS };
/** A Codex that runs until it is stopped, with a tool in another process group. */
const IGNORING_TREE = turn(
  { do: 'ignore', signals: TERMINATION_SIGNALS },
  GRANDCHILD,
  RUNNING,
  HANG,
);

async function expectNothing(codex: StubCodex, commandEnv: CommandEnvironment): Promise<void> {
  await codex.expectNothingLeft();
  expect(await readdir(commandEnv.scratch)).toEqual([]);
}

/** Asserts that the command has exited with its reason and left nothing. */
async function expectStopped(
  terminal: Terminal,
  codex: StubCodex,
  commandEnv: CommandEnvironment,
): Promise<void> {
  expect(await terminal.exited()).toBe(130);
  await expectNothing(codex, commandEnv);
  expect(await terminal.lines()).toEqual([
    'codex-image: Stopped by SIGINT. [STOPPED]',
    '[exit 130]',
  ]);
}

describe('Ctrl-C in a terminal', () => {
  test('stops the call', async ({ codex, commandEnv }) => {
    await codex.play(turn(GRANDCHILD, RUNNING, HANG));
    const terminal = new Terminal(commandEnv, ['a fox', '-o', 'fox.png']);
    await codex.reached('running');
    terminal.type(CTRL_C);
    await expectStopped(terminal, codex, commandEnv);
  });

  test('changes nothing the second time', async ({ codex, commandEnv }) => {
    await codex.play(IGNORING_TREE);
    const terminal = new Terminal(commandEnv, ['a fox', '-o', 'fox.png']);
    await codex.reached('running');
    terminal.type(CTRL_C);
    await terminal.sent(/Stopping Codex/);
    terminal.type(CTRL_C);
    await expectStopped(terminal, codex, commandEnv);
  });

  test('stops the call before Codex has started', async ({ codex, commandEnv }) => {
    await codex.login(null);
    await codex.play({ login: 'silent', exec: [] });
    const terminal = new Terminal(commandEnv, ['a fox', '-o', 'fox.png']);
    await codex.reached('asked');
    terminal.type(CTRL_C);
    expect(await terminal.exited()).toBe(130);
    await expectNothing(codex, commandEnv);
  });
});

// On Windows node-pty ends the processes of its terminal without notice.
test.skipIf(WINDOWS)('closing the window stops the call', async ({ codex, commandEnv }) => {
  await codex.play(IGNORING_TREE);
  const terminal = new Terminal(commandEnv, ['a fox', '-o', 'fox.png']);
  await codex.reached('running');
  await terminal.close();
  await expect.poll(() => codex.survivors(), POLLING).toEqual([]);
  await expectNothing(codex, commandEnv);
});

const SIGNALS: [signal: NodeJS.Signals, code: number][] = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
];

// Windows has no signals: sending one ends the process. `process/host-process` tests what is left
// then.
describe.skipIf(WINDOWS).for(SIGNALS)('%s', ([signal, code]) => {
  test('stops the call', async ({ codex, commandEnv }) => {
    await codex.play(turn(GRANDCHILD, RUNNING, HANG));
    const command = new Piped(commandEnv, ['a fox', '-o', 'fox.png', '--json']);
    await codex.reached('running');
    command.child.kill(signal);
    const outcome = await command.ended;
    expect(outcome).toMatchObject({ code, signal: null, stderr: '' });
    await expectNothing(codex, commandEnv);
    expect(events(outcome).at(-1)).toEqual({
      type: 'error',
      code: 'STOPPED',
      message: `Stopped by ${signal}.`,
      signal,
    });
  });

  test('changes nothing the second time', async ({ codex, commandEnv }) => {
    await codex.play(IGNORING_TREE);
    const command = new Piped(commandEnv, ['a fox', '-o', 'fox.png', '--json']);
    await codex.reached('running');
    command.child.kill(signal);
    command.child.stdout?.on('data', (line: Buffer) => {
      if (line.includes('"stopping"')) command.child.kill('SIGTERM');
    });
    const outcome = await command.ended;
    expect(outcome).toMatchObject({ code, signal: null });
    await expectNothing(codex, commandEnv);
    expect(events(outcome).at(-1)).toMatchObject({ type: 'error', code: 'STOPPED', signal });
  });
});

// Windows sends Ctrl-Break to all processes of a console, the tests included. Here another signal
// stands in for it, and Node's event is the same.
test.skipIf(WINDOWS)('SIGBREAK stops the call', async ({ codex, commandEnv }) => {
  await codex.play(turn(GRANDCHILD, RUNNING, HANG));
  const standIn = "process.once('SIGUSR2',()=>process.emit('SIGBREAK','SIGBREAK'))";
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(standIn)}` };
  const command = new Piped(commandEnv, ['a fox', '-o', 'fox.png', '--json'], { env });
  await codex.reached('running');
  command.child.kill('SIGUSR2');
  const outcome = await command.ended;
  expect(outcome).toMatchObject({ code: 149, signal: null, stderr: '' });
  await expectNothing(codex, commandEnv);
  expect(events(outcome).at(-1)).toMatchObject({ code: 'STOPPED', signal: 'SIGBREAK' });
});
