// How long a call lives: progress keeps it alive, and a cancelled call or a client that has gone
// leaves no process and no file.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { describe, expect, onTestFinished } from 'vitest';

import { rejection } from '../support/call/abort.js';
import { CLI, type CommandEnvironment, Piped, test } from '../support/cli/command.js';
import { PICTURE } from '../support/image/small-png.js';
import { dataOf, ERAS, McpClient, withClient } from '../support/mcp/client.js';
import { WINDOWS } from '../support/platform.js';
import { POLLING } from '../support/process/survivors.js';
import { HANG, RUNNING, save, TERMINATION_SIGNALS, turn } from '../support/stub/steps.js';
import type { Step } from '../support/stub/stub-script.js';
import type { StubCodex } from '../support/stub/stub.js';

const CLIENT = fileURLToPath(new URL('../support/mcp/client-process.mjs', import.meta.url));
const FOX = { prompt: 'a red fox' };
/** A Codex that runs until it is stopped, with tools that are hard to stop. */
const BUSY: Step[] = turn(
  { do: 'tool', ownSession: true, ignores: TERMINATION_SIGNALS },
  { do: 'tool', ownSession: true },
  RUNNING,
  HANG,
);

async function expectNothing(codex: StubCodex, { scratch }: CommandEnvironment): Promise<void> {
  await expect.poll(() => codex.survivors(), POLLING).toEqual([]);
  await expect.poll(() => codex.runDirs(), POLLING).toEqual([]);
  expect(await readdir(scratch)).toEqual([]);
}

describe.for(ERAS)('a client of $version', (era) => {
  // A tenth of the usual limit of 60 s and of a picture that takes 90 s. The server sends progress
  // every 4 s in either case.
  const LIMIT_MS = 6000;
  const SLOW = turn({ do: 'sleep', ms: 9000 }, save('store', PICTURE));

  test.concurrent(
    'gets an image that takes longer than its limit',
    async ({ codex, commandEnv, expect }) => {
      await codex.play(SLOW);
      const progress: number[] = [];
      const result = await withClient(commandEnv, { era }, (client) =>
        client.call('generate_image', FOX, {
          timeout: LIMIT_MS,
          resetTimeoutOnProgress: true,
          onprogress: (event) => void progress.push(event.progress),
        }),
      );
      expect(dataOf(result).images).toHaveLength(1);
      // Seconds. The last gap ends with the result.
      const times = [0, ...progress, Number(dataOf(result).images[0]?.['duration_ms']) / 1000];
      const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
      expect(Math.max(...gaps)).toBeLessThan(5);
      expect(progress).toEqual([...new Set(progress)].toSorted((one, other) => one - other));
    },
  );

  test.concurrent(
    'runs into its limit without progress, and leaves nothing',
    async ({ codex, commandEnv, expect }) => {
      await codex.play(SLOW);
      await withClient(commandEnv, { era }, async (client) => {
        const call = client.call('generate_image', FOX, { timeout: LIMIT_MS });
        const { reason } = await rejection(call);
        expect(reason).toMatchObject({ code: 'REQUEST_TIMEOUT' });
        await expect.poll(() => codex.runDirs(), POLLING).toEqual([]);
      });
      await expectNothing(codex, commandEnv);
    },
  );

  test('cancels a call, which leaves nothing, and goes on', async ({ codex, commandEnv }) => {
    await codex.play(BUSY);
    await withClient(commandEnv, { era }, async (client) => {
      const controller = new AbortController();
      const call = client.call('generate_image', FOX, { signal: controller.signal });
      await codex.reached('running');
      controller.abort();
      await rejection(call);
      await expect.poll(() => codex.runDirs(), POLLING).toEqual([]);
      // The server alone.
      await expect
        .poll(() => codex.survivors().map(({ pid }) => pid), POLLING)
        .toEqual(WINDOWS ? [] : [client.transport.pid]);
      await codex.play(turn(save('store', PICTURE)));
      expect((await client.call('check_codex')).isError).toBeUndefined();
    });
    await expectNothing(codex, commandEnv);
  });

  test('closes the connection during two calls, which leave nothing', async ({
    codex,
    commandEnv,
  }) => {
    await codex.play(BUSY);
    const client = await McpClient.connect(commandEnv, { era });
    const calls = [1, 2].map(() => rejection(client.call('generate_image', FOX)));
    await codex.reached('running');
    await client.close();
    await Promise.all(calls);
    await expectNothing(codex, commandEnv);
  });
});

test('a client that is killed leaves nothing', async ({ codex, commandEnv }) => {
  await codex.play(BUSY);
  const args = [CLIENT, process.execPath, CLI, 'mcp'];
  const { env, scratch: cwd } = commandEnv;
  const client = spawn(process.execPath, args, { env, cwd, stdio: 'ignore' });
  onTestFinished(() => void client.kill('SIGKILL'));
  const exited = once(client, 'exit');
  await codex.reached('running');
  client.kill('SIGKILL');
  await exited;
  await expectNothing(codex, commandEnv);
});

test('a server that is killed leaves nothing', async ({ codex, commandEnv }) => {
  await codex.play(BUSY);
  const client = await McpClient.connect(commandEnv);
  const call = rejection(client.call('generate_image', FOX));
  await codex.reached('running');
  process.kill(client.transport.pid ?? NaN, 'SIGKILL');
  await call;
  await expect.poll(() => codex.survivors(), POLLING).toEqual([]);
  expect(await readdir(commandEnv.scratch)).toEqual([]);
  // The next call removes the directory.
  await codex.generate(turn(save('store', PICTURE)));
});

// Windows has no signals: sending one ends the process.
test.skipIf(WINDOWS).for([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('%s ends the server', async ([signal, code], { codex, commandEnv }) => {
  await codex.play(BUSY);
  const { child, ended } = new Piped(commandEnv, ['mcp']);
  const message = (id: number, method: string, params: object) =>
    child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
  const clientInfo = { name: 'spec', version: '1' };
  message(1, 'initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo });
  message(2, 'tools/call', { name: 'generate_image', arguments: FOX });
  await codex.reached('running');
  child.kill(signal);
  expect(await ended).toMatchObject({
    code,
    signal: null,
    stderr: expect.stringContaining(signal),
  });
  await expectNothing(codex, commandEnv);
});
