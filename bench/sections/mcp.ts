// The start of `codex-image mcp`, and the size of its file.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import type { Section } from '../report.js';
import { median, timed } from '../statistics.js';

const RUNS = 21;
const MOST_MS = 150;
const MOST_KB = 300;

const CLI = fileURLToPath(new URL('../../dist/cli.mjs', import.meta.url));
const SERVER = fileURLToPath(new URL('../../dist/mcp.mjs', import.meta.url));
/** Answers its first line. */
const ECHO = "process.stdin.once('data', (line) => process.stdout.write(line))";

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'bench', version: '1' },
  },
};

export async function mcp(): Promise<Section> {
  const ours: number[] = [];
  const alone: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    ours.push(await untilAnswered([CLI, 'mcp']));
    alone.push(await untilAnswered(['-e', ECHO]));
  }
  const kB = async (file: string) => (await stat(file)).size / 1000;
  return {
    title: 'Starting the MCP server',
    text:
      'From the start of `node dist/cli.mjs mcp` to its answer to `initialize`, against a Node ' +
      'that answers a line. `dist/mcp.mjs` has the SDK, and only this command loads it.',
    rows: [
      {
        what: 'to the answer to `initialize`',
        headline: 'Starting the MCP server',
        unit: 'ms',
        ours: median(ours),
        peer: { name: 'Node alone', value: median(alone) },
        compared: 'difference',
        limit: { of: 'ours', most: MOST_MS },
        runs: RUNS,
      },
      {
        what: '`dist/mcp.mjs`',
        unit: 'KB',
        ours: await kB(SERVER),
        peer: { name: '`dist/cli.mjs`', value: await kB(CLI) },
        compared: 'difference',
        limit: { of: 'ours', most: MOST_KB },
        runs: 1,
      },
    ],
  };
}

/** Time in milliseconds from the start of a Node to the first byte of its output. */
async function untilAnswered(args: string[]): Promise<number> {
  let child: ReturnType<typeof start> | undefined;
  const time = await timed(async () => {
    child = start(args);
    child.stdin.write(`${JSON.stringify(INITIALIZE)}\n`);
    await once(child.stdout, 'data');
  });
  const ended = child && once(child, 'close');
  child?.stdin.end();
  await ended;
  return time;
}

function start(args: string[]) {
  return spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
}
