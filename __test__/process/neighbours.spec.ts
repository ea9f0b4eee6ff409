// Others in the same process: children that JavaScript started, listeners for their signal, the
// addon in another thread, earlier calls. Nothing disturbs them, and they disturb no call.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { describe, expect, onTestFinished } from 'vitest';

import { generateCodexImage, setMaxConcurrentRuns } from '../../index.js';
import { rejection } from '../support/call/abort.js';
import { buildCompiledStub } from '../support/stub/cargo-example.js';
import { footprint, heldSince } from '../support/process/footprint.js';
import { cancelInOwnProcess } from '../support/process/own-process.js';
import { LINUX, WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { failure } from '../support/call/outcome.js';
import { RUNNING, save, turn } from '../support/stub/steps.js';
import { StubCodex, test } from '../support/stub/stub.js';
import type { Step } from '../support/stub/stub-script.js';

const GATE: Step = { do: 'await', gate: 'end' };
/** Long enough for hundreds of processes on a busy machine. */
const timeoutMs = 120_000;

// Before the time limit of any test starts: cargo may have to build it. Windows has no FIFOs.
const PROGRAM = WINDOWS ? '' : await buildCompiledStub();

/** Children that wait until they are released together. */
class WaitingChildren {
  /** The compiled stub. */
  readonly program = PROGRAM;

  private constructor(
    private readonly codex: StubCodex,
    private readonly gate: string,
    private held: number | null,
  ) {}

  static async create(codex: StubCodex): Promise<WaitingChildren> {
    const gate = path.join(codex.scratch, 'gate');
    await once(spawn('mkfifo', [gate]), 'exit');
    // For reading and writing, so that no `open` blocks, and every read does.
    const children = new WaitingChildren(codex, gate, openSync(gate, 'r+'));
    onTestFinished(() => children.release());
    return children;
  }

  /** Returns the environment of a child that will exit with `code`. */
  env(code: number): Record<string, string> {
    const { codex, gate } = this;
    const steps = `await exit:${code}`;
    return { ...codex.env, STUB_GATE: gate, STUB_CONTROL_DIR: codex.controlDir, STUB_STEPS: steps };
  }

  async areWaiting(count: number): Promise<void> {
    const waiting = async () =>
      (await readdir(this.codex.controlDir)).filter((name) => name.endsWith('.up')).length;
    await expect.poll(waiting, { timeout: timeoutMs, interval: 20 }).toBe(count);
  }

  release(): void {
    if (this.held !== null) closeSync(this.held);
    this.held = null;
  }
}

/**
 * Each call has a watchdog as well, and macOS allows a user little more than a thousand processes.
 */
const EACH = LINUX ? 500 : 100;

// Not on Windows, which has no FIFOs and does not lose exit codes.
const title = `${EACH} children of JavaScript and ${EACH} of the addon at once keep their exit codes and leave no zombie`;
test.skipIf(WINDOWS)(title, async ({ codex }) => {
  setMaxConcurrentRuns(2 * EACH);
  const children = await WaitingChildren.create(codex);
  const before = footprint();

  const codes = Array.from({ length: EACH }, (_, n) => 1 + (n % 250));
  const ours = codes.map((code) => {
    const options = { codexPath: children.program, env: children.env(code), timeoutMs };
    return failure(generateCodexImage(codex.options(options)));
  });
  const theirs = codes.map((code) =>
    once(spawn(children.program, ['exec'], { env: children.env(code), stdio: 'ignore' }), 'exit'),
  );
  await children.areWaiting(2 * EACH);
  children.release();

  const exits = (await Promise.all(ours)).map(({ code, exitCode }) => ({ code, exitCode }));
  expect(exits).toEqual(codes.map((exitCode) => ({ code: 'CODEX_FAILED', exitCode })));
  expect(await Promise.all(theirs)).toEqual(codes.map((code) => [code, null]));
  await codex.expectNothingLeft();
  expect(await heldSince(before)).toEqual({});
});

// Windows has no such signal.
describe.skipIf(WINDOWS)("`process.on('SIGCHLD')`", () => {
  /** Starts a child, and asserts that the listener is called when it ends. */
  async function expectCalled(listener: NodeJS.SignalsListener): Promise<void> {
    process.on('SIGCHLD', listener);
    const signalled = once(process, 'SIGCHLD');
    const ended = once(spawn('true'), 'exit');
    await signalled;
    expect(await ended).toEqual([0, null]);
  }

  test('works when it is added and removed during a call', async ({ codex }) => {
    const listener = () => {};
    onTestFinished(() => void process.off('SIGCHLD', listener));
    const call = codex.generate([RUNNING, GATE, { do: 'exit', code: 7 }]);
    await codex.reached('running');
    await expectCalled(listener);
    process.off('SIGCHLD', listener);
    await codex.open('end');
    expect(await failure(call)).toMatchObject({ code: 'CODEX_FAILED', exitCode: 7 });
    // Node still notices the end of its own children.
    expect(await once(spawn('false'), 'exit')).toEqual([1, null]);
  });

  test('works before a call and after it', async ({ codex }) => {
    const listener = () => {};
    onTestFinished(() => void process.off('SIGCHLD', listener));
    await expectCalled(listener);
    const error = await failure(codex.generate([{ do: 'exit', code: 7 }]));
    expect(error).toMatchObject({ code: 'CODEX_FAILED', exitCode: 7 });
    await expectCalled(listener);
  });
});

// Windows does not tell a process its descriptors and threads.
test.skipIf(WINDOWS)(
  '100 cancelled calls leave no descriptors, no threads and no memory',
  async ({ codex }) => {
    const children = await WaitingChildren.create(codex);
    const options = codex.options({ codexPath: children.program, env: children.env(0), timeoutMs });
    const { before, after } = await cancelInOwnProcess(options, 5, 20);
    children.release();
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.threads).toBeLessThanOrEqual(before.threads);
    // The allocator and V8 grow: by 18 MB after 800 calls in Node 22, and no more after 1,600.
    expect(after.memory).toBeLessThanOrEqual(before.memory + 24 * 2 ** 20);
  },
);

describe('the addon in the main thread and in a worker', () => {
  /** Makes one call in a worker. */
  class WorkerCall {
    private readonly worker: Worker;
    private readonly exited: Promise<unknown>;
    readonly outcome: Promise<unknown>;

    constructor(codex: StubCodex) {
      const addon = fileURLToPath(new URL('../../index.js', import.meta.url));
      const script = `
        const { parentPort, workerData: { addon, options } } = require('node:worker_threads');
        require(addon).generateCodexImage(options).then(
          (image) => parentPort.postMessage({ image }),
          ({ code }) => parentPort.postMessage({ code }),
        );`;
      const workerData = { addon, options: codex.options() };
      this.worker = new Worker(script, { eval: true, workerData });
      this.exited = once(this.worker, 'exit');
      this.outcome = once(this.worker, 'message').then(([message]) => message);
    }

    async end(): Promise<void> {
      expect(await this.exited).toEqual([0]);
    }
  }

  test.for<[what: string, steps: Step[], outcome: object]>([
    ['succeeds', [save('workspace', PICTURE)], { image: new Uint8Array(PICTURE) }],
    ['fails', [{ do: 'exit', code: 1 }], { code: 'CODEX_FAILED' }],
  ])(
    "keeps the main thread's call when the worker's %s and the worker ends",
    async ([, steps, outcome], { codex }) => {
      const call = codex.generate(turn(RUNNING, GATE, save('workspace', PICTURE)));
      await codex.reached('running');

      const other = await StubCodex.create();
      await other.play(turn(...steps));
      const inWorker = new WorkerCall(other);
      expect(await inWorker.outcome).toEqual(outcome);
      await inWorker.end();
      await other.close();

      await codex.open('end');
      expect(await call).toEqual(PICTURE);
    },
  );

  test("keeps the worker's call when the main thread's is aborted", async ({ codex }) => {
    const other = await StubCodex.create();
    await other.play(turn(RUNNING, GATE, save('workspace', PICTURE)));
    const inWorker = new WorkerCall(other);
    await other.reached('running');

    const controller = new AbortController();
    const call = codex.generate(turn(RUNNING, GATE), { signal: controller.signal });
    await codex.reached('running');
    controller.abort('enough');
    expect(await rejection(call)).toEqual({ reason: 'enough' });
    await codex.expectNothingLeft();

    await other.open('end');
    expect(await inWorker.outcome).toEqual({ image: new Uint8Array(PICTURE) });
    await inWorker.end();
    await other.close();
  });
});
