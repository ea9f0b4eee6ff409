// Who else lives in the process: children that JavaScript started, listeners for their signal, the addon in another thread,
// and the calls that were there before. None of them is disturbed, and none disturbs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { describe, expect, onTestFinished } from 'vitest';

import { generateCodexImage, setMaxConcurrentRuns } from '../../index.js';
import { rejection } from '../support/abort.js';
import { cancelInOwnProcess } from '../support/own-process.js';
import { footprint, heldSince } from '../support/footprint.js';
import { LINUX, WINDOWS } from '../support/platform.js';
import { png } from '../support/png.js';
import { failure, save, type Step, StubCodex, test, turn } from '../support/stub.js';

const PICTURE = png();
const RUNNING: Step = { do: 'reach', mark: 'running' };
const GATE: Step = { do: 'await', gate: 'end' };
/** Hundreds of processes take their time on a busy machine. */
const timeoutMs = 120_000;

/** Many quick children behind one gate. */
class Crowd {
  static readonly program = fileURLToPath(new URL('../support/quick-codex.sh', import.meta.url));

  private constructor(
    private readonly codex: StubCodex,
    private readonly gate: string,
    private held: number | null,
  ) {}

  static async gather(codex: StubCodex): Promise<Crowd> {
    const gate = path.join(codex.scratch, 'gate');
    await once(spawn('mkfifo', [gate]), 'exit');
    // For reading and writing: nobody is held up in opening it, and everybody in reading from it.
    const crowd = new Crowd(codex, gate, openSync(gate, 'r+'));
    onTestFinished(() => crowd.letGo());
    return crowd;
  }

  /** The environment of one that will exit with `code`. */
  member(code: number): Record<string, string> {
    const { codex, gate } = this;
    return { ...codex.env, QUICK_GATE: gate, QUICK_DESK: codex.desk, QUICK_CODE: String(code) };
  }

  async hasGathered(count: number): Promise<void> {
    const present = async () => (await readdir(this.codex.desk)).length;
    await expect.poll(present, { timeout: timeoutMs, interval: 20 }).toBe(count);
  }

  letGo(): void {
    if (this.held !== null) closeSync(this.held);
    this.held = null;
  }
}

/** Each of ours has a watchdog beside it, and macOS allows a user not much more than a thousand processes. */
const EACH = LINUX ? 500 : 100;

// Windows has no program that can be started a thousand times at once, nor exits that anybody could miss.
const title = `${EACH} JS children and ${EACH} of ours at once: all exit codes right, 0 zombies`;
test.skipIf(WINDOWS)(title, async ({ codex }) => {
  setMaxConcurrentRuns(2 * EACH);
  const crowd = await Crowd.gather(codex);
  const before = footprint();

  const codes = Array.from({ length: EACH }, (_, n) => 1 + (n % 250));
  const ours = codes.map((code) => {
    const options = { codexPath: Crowd.program, env: crowd.member(code), timeoutMs };
    return failure(generateCodexImage(codex.options(options)));
  });
  const theirs = codes.map((code) =>
    once(spawn(Crowd.program, { env: crowd.member(code), stdio: 'ignore' }), 'exit'),
  );
  await crowd.hasGathered(2 * EACH);
  crowd.letGo();

  const exits = (await Promise.all(ours)).map(({ code, exitCode }) => ({ code, exitCode }));
  expect(exits).toEqual(codes.map((exitCode) => ({ code: 'CODEX_FAILED', exitCode })));
  expect(await Promise.all(theirs)).toEqual(codes.map((code) => [code, null]));
  await codex.expectNothingLeft();
  expect(await heldSince(before)).toEqual({});
});

// A signal, which Windows does not have.
describe.skipIf(WINDOWS)("`process.on('SIGCHLD')`", () => {
  /** A child of JavaScript's whose end the listener hears of. */
  async function heard(listener: NodeJS.SignalsListener): Promise<void> {
    process.on('SIGCHLD', listener);
    const heardOf = once(process, 'SIGCHLD');
    const ended = once(spawn('true'), 'exit');
    await heardOf;
    expect(await ended).toEqual([0, null]);
  }

  test('added and removed mid-run', async ({ codex }) => {
    const listener = () => {};
    onTestFinished(() => void process.off('SIGCHLD', listener));
    const call = codex.generate([RUNNING, GATE, { do: 'exit', code: 7 }]);
    await codex.reached('running');
    await heard(listener);
    process.off('SIGCHLD', listener);
    await codex.open('end');
    expect(await failure(call)).toMatchObject({ code: 'CODEX_FAILED', exitCode: 7 });
    // Nor has Node gone deaf.
    expect(await once(spawn('false'), 'exit')).toEqual([1, null]);
  });

  test('there before, and still there afterwards', async ({ codex }) => {
    const listener = () => {};
    onTestFinished(() => void process.off('SIGCHLD', listener));
    await heard(listener);
    const error = await failure(codex.generate([{ do: 'exit', code: 7 }]));
    expect(error).toMatchObject({ code: 'CODEX_FAILED', exitCode: 7 });
    await heard(listener);
  });
});

// On Windows a process is told nothing of the kind about itself.
test.skipIf(WINDOWS)(
  '100 cancelled jobs: descriptors, threads, memory back to baseline',
  async ({ codex }) => {
    const crowd = await Crowd.gather(codex);
    const options = codex.options({ codexPath: Crowd.program, env: crowd.member(0), timeoutMs });
    const { before, after } = await cancelInOwnProcess(options, 5, 20);
    crowd.letGo();
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.threads).toBeLessThanOrEqual(before.threads);
    expect(after.memory).toBeLessThanOrEqual(before.memory + 8 * 2 ** 20);
  },
);

describe('addon loaded in main and worker: independent', () => {
  /** A worker in which one call is made. */
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
    "the worker's call %s and the worker ends: main's goes on",
    async ([, steps, outcome], { codex }) => {
      const call = codex.generate(turn(RUNNING, GATE, save('workspace', PICTURE)));
      await codex.reached('running');

      const other = await StubCodex.create();
      await other.order(turn(...steps));
      const inWorker = new WorkerCall(other);
      expect(await inWorker.outcome).toEqual(outcome);
      await inWorker.end();
      await other.close();

      await codex.open('end');
      expect(await call).toEqual(PICTURE);
    },
  );

  test("main's call is aborted: the worker's goes on", async ({ codex }) => {
    const other = await StubCodex.create();
    await other.order(turn(RUNNING, GATE, save('workspace', PICTURE)));
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
