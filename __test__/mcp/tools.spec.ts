// The official client of both eras lists the tools and draws.

import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect } from 'vitest';

import { Piped, test } from '../support/cli/command.js';
import { png } from '../support/image/small-png.js';
import { dataOf, ERAS, textOf, withClient } from '../support/mcp/client.js';
import { addToRollout, save, turn, turnFailed } from '../support/stub/steps.js';

const PICTURE = png({ width: 9, height: 7, seed: 5 });
const DRAWN = turn(save('store', PICTURE));

describe.for(ERAS)('a client of $version', (era) => {
  test('lists the tools', async ({ commandEnv }) => {
    const { tools, version } = await withClient(commandEnv, { era }, async ({ client }) => ({
      tools: (await client.listTools()).tools,
      version: client.getNegotiatedProtocolVersion(),
    }));
    expect(version).toBe(era.version);
    const hints = tools.map(({ name, annotations }) => [name, annotations]);
    const writes = { readOnlyHint: false, destructiveHint: false, idempotentHint: false };
    expect(Object.fromEntries(hints)).toEqual({
      generate_image: { ...writes, openWorldHint: true },
      recover_image: { ...writes, openWorldHint: false },
      check_codex: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    });
    for (const { name, inputSchema, outputSchema } of tools) {
      expect({ name, inputSchema, outputSchema }).toMatchObject({
        inputSchema: { type: 'object', additionalProperties: false },
        outputSchema: { type: 'object' },
      });
    }
  });

  test('draws into a file', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const file = path.join(commandEnv.scratch, 'fox.png');
    const result = await withClient(commandEnv, { era }, (client) =>
      client.call('generate_image', { prompt: 'a red fox', output_path: 'fox.png' }),
    );
    const { threadId, args } = await codex.turn();
    expect(result.isError).toBeUndefined();
    expect(dataOf(result)).toEqual({
      images: [
        {
          path: file,
          width: 9,
          height: 7,
          verified: true,
          thread_id: threadId,
          duration_ms: expect.any(Number),
          warnings: [],
        },
      ],
      failures: [],
    });
    expect(result.content).toEqual([
      { type: 'text', text: expect.stringContaining(`${file}: 9 × 7 pixels, verified, thread`) },
      {
        type: 'resource_link',
        uri: pathToFileURL(file).href,
        name: 'fox.png',
        mimeType: 'image/png',
      },
    ]);
    expect(args.join(' ')).toContain('--sandbox read-only');
    expect(await readFile(file)).toEqual(PICTURE);
    expect(await readdir(commandEnv.scratch)).toEqual(['fox.png']);
  });

  test('draws within its first root', async ({ codex, commandEnv }) => {
    await codex.play(DRAWN);
    const root = await codex.ownTemporary('root');
    const result = await withClient(commandEnv, { era, roots: [root] }, (client) =>
      client.call('generate_image', { prompt: 'a red fox' }),
    );
    expect(dataOf(result).images).toMatchObject([{ path: path.join(root, 'a-red-fox.png') }]);
    expect(await readdir(root)).toEqual(['a-red-fox.png']);
    expect(await readdir(commandEnv.scratch)).toEqual([]);
  });

  test('checks Codex', async ({ codex, commandEnv }) => {
    await codex.login(null);
    await codex.play({ login: { text: 'Not logged in', exitCode: 1 }, exec: [] });
    const result = await withClient(commandEnv, { era }, (client) => client.call('check_codex'));
    expect(result.structuredContent).toMatchObject({
      ready: false,
      login: 'none',
      problems: [{ code: 'NOT_SIGNED_IN', blocking: true }],
    });
    expect(textOf(result)).toMatch(/^Not ready to draw\.\n/);
    expect(JSON.stringify(result)).not.toContain(codex.home);
  });

  test('gets a failure with its code and fix', async ({ codex, commandEnv }) => {
    await codex.play([
      ...turn().slice(0, 2),
      turnFailed("You've hit your usage limit. Try again in 2 hours."),
      { do: 'exit', code: 1 },
    ]);
    const result = await withClient(commandEnv, { era }, (client) =>
      client.call('generate_image', { prompt: 'a red fox' }),
    );
    const { threadId } = await codex.turn();
    expect(result.isError).toBe(true);
    expect(dataOf(result)).toEqual({
      images: [],
      failures: [
        {
          code: 'USAGE_LIMIT',
          message: expect.stringMatching(/plan's limit is reached.*\.$/),
          fix: expect.stringMatching(/^Do not call again/),
          retryable: false,
          thread_id: threadId,
        },
      ],
    });
    expect(textOf(result)).toMatch(/ \[USAGE_LIMIT\]\nTo do: Do not call again/);
    expect(textOf(result)).not.toMatch(/\n\s+at /);
  });
});

test('a call passes on every argument', async ({ codex, commandEnv }) => {
  await codex.play(DRAWN);
  await writeFile(path.join(commandEnv.scratch, 'cat.png'), png({ seed: 2 }));
  const result = await withClient(commandEnv, {}, (client) =>
    client.call('generate_image', {
      prompt: 'the same in the snow',
      aspect: '16:9',
      reference_images: ['cat.png'],
      transparent: true,
    }),
  );
  expect(dataOf(result).failures).toEqual([]);
  const { stdin, cwdEntries } = await codex.turn();
  expect(stdin).toContain('the same in the snow');
  expect(stdin).toContain('16:9');
  expect(stdin).toMatch(/transparent/i);
  expect(cwdEntries).toEqual(['reference-1.png']);
});

test('several pictures are numbered, and drawn by turns of their own', async ({
  codex,
  commandEnv,
}) => {
  await codex.play(DRAWN);
  const result = await withClient(commandEnv, {}, (client) =>
    client.call('generate_image', { prompt: 'a fox', count: 3, output_path: 'fox.png' }),
  );
  const names = ['fox-1.png', 'fox-2.png', 'fox-3.png'];
  expect(dataOf(result).images.map((image) => path.basename(String(image['path'])))).toEqual(names);
  expect((await readdir(commandEnv.scratch)).toSorted()).toEqual(names);
  const threads = new Set(dataOf(result).images.map((image) => image['thread_id']));
  expect(threads.size).toBe(3);
});

test.for([
  ['its store, unverified', DRAWN, false],
  ['its record', turn(addToRollout('end', PICTURE)), true],
] as const)('an image is recovered from %s', async ([, steps, verified], { codex, commandEnv }) => {
  await codex.play([...steps]);
  const [thread, result] = await withClient(commandEnv, {}, async (client) => {
    const drawn = await client.call('generate_image', { prompt: 'a fox' });
    const [image] = dataOf(drawn).images;
    const thread_id = image?.['thread_id'];
    return [thread_id, await client.call('recover_image', { thread_id, output_path: 'again.png' })];
  });
  expect(dataOf(result).images).toMatchObject([{ thread_id: thread, verified }]);
  expect(textOf(result)).toContain(verified ? ' verified' : 'not verified');
  expect(await readFile(path.join(commandEnv.scratch, 'again.png'))).toEqual(PICTURE);
  // No second turn.
  await codex.turn();
});

test('a thread without an image leaves only another drawing', async ({ commandEnv }) => {
  const thread_id = '0199d2c4-aaaa-7000-8000-0123456789ab';
  const result = await withClient(commandEnv, {}, (client) =>
    client.call('recover_image', { thread_id }),
  );
  const fix = 'Draw again, with a prompt that describes one picture.';
  expect(dataOf(result).failures).toMatchObject([{ code: 'NO_IMAGE', fix }]);
});

test('a client from before 2025-06-18 gets no link', async ({ codex, commandEnv }) => {
  await codex.play(DRAWN);
  const { child, ended } = new Piped(commandEnv, ['mcp']);
  const send = (message: object) =>
    child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const clientInfo = { name: 'spec', version: '1' };
  const params = { protocolVersion: '2025-03-26', capabilities: {}, clientInfo };
  send({ id: 1, method: 'initialize', params });
  send({ method: 'notifications/initialized' });
  const call = { name: 'generate_image', arguments: { prompt: 'a fox' } };
  send({ id: 2, method: 'tools/call', params: call });
  let output = '';
  child.stdout?.on('data', (data: Buffer) => {
    output += data.toString();
    if (/"id":2\b/.test(output)) child.stdin?.end();
  });
  const { code, stdout, stderr } = await ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  // Every line is a message of the protocol.
  const messages = stdout
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(messages.map(({ jsonrpc, id }) => [jsonrpc, id])).toEqual([
    ['2.0', 1],
    ['2.0', 2],
  ]);
  expect(messages[0].result.protocolVersion).toBe('2025-03-26');
  expect(messages[1].result.content.map(({ type }: { type: string }) => type)).toEqual(['text']);
});
