// The real Codex CLI: what is gained by not waiting for its end.

import { setTimeout as sleep } from 'node:timers/promises';

import { generateCodexImage } from '../index.js';
import { type CodexCli, installCodex } from '../__test__/support/codex-cli.js';
import {
  type Backend,
  copy,
  draw,
  type Home,
  startBackend,
  talk,
  think,
} from '../__test__/support/loopback.js';
import { makePng } from '../__test__/support/picture.js';
import { makePlace } from '../__test__/support/place.js';
import type { Row, Section } from './report.js';
import { median } from './statistics.js';

const RUNS = 5;
/** The size in pixels and about the size in bytes that the real tool's pictures have. */
const PICTURE = makePng({
  width: 1254,
  height: 1254,
  minBytes: 2_500_000,
  paint: (x, y) => [x >> 3, y >> 3, 160],
});
const SCRIPT = [think(1000), draw({ ms: 3000, image: PICTURE }), copy(), talk(6000)];

const COMPLETIONS = ['image', 'exit'] as const;
type Completion = (typeof COMPLETIONS)[number];

interface Run {
  /** Of the whole call. */
  seconds: number;
  /** From the last byte of the picture's answer to the settled promise. */
  tailMs: number;
  /** Of the requests to the model that began after that byte, as far as they arrived. */
  uploadedMB: number;
  /** Processes and workspaces at the moment the promise settled. */
  leftovers: number;
}

export async function realCodex(): Promise<Section> {
  const size = (PICTURE.length / 1e6).toFixed(1);
  return {
    title: 'A call of the real Codex CLI',
    text:
      'A stand-in for OpenAI on this machine thinks for 1 s, draws for 3 s, has the agent copy the picture ' +
      `(${size} MB, 1254 × 1254) and then talks for 6 s. Ours is \`completion: 'image'\`, the default; it is ` +
      "compared with `completion: 'exit'`, in turn. What is uploaded are the model requests that began after the " +
      "last byte of the picture's answer, by which Codex shows the model its own picture; a few kilobytes of " +
      "Codex's telemetry are not counted.",
    rows: [
      // Code mode is 0.169.0's own choice; no model is named.
      ...(await rowsOf(await installCodex('0.169.0'), { most: 400 })),
      ...(await rowsOf(await installCodex('0.132.0'))),
    ],
  };
}

async function rowsOf(cli: CodexCli, tail?: { most: number }): Promise<Row[]> {
  const runs = await measure(cli);
  const row = (
    what: string,
    of: keyof Run,
    over: (values: number[]) => number,
    rest: Pick<Row, 'compared' | 'unit' | 'limit'>,
  ): Row => {
    const value = (completion: Completion): number => over(runs[completion].map((run) => run[of]));
    const peer = { name: 'waiting for the exit', value: value('exit') };
    return { what: `${cli.version}: ${what}`, ours: value('image'), peer, runs: RUNS, ...rest };
  };
  const most = (values: number[]): number => Math.max(...values);
  const none = { of: 'ours', most: 0 } as const;
  return [
    row('whole call', 'seconds', median, { compared: 'ratio', unit: 's' }),
    row("from the picture's last byte to the settled promise", 'tailMs', median, {
      compared: 'ratio',
      unit: 'ms',
      ...(tail && { limit: { of: 'ours', ...tail } }),
    }),
    row('uploaded after that byte, the most in any run', 'uploadedMB', most, {
      compared: 'difference',
      unit: 'MB',
      limit: none,
    }),
    row('processes and workspaces left at settling, the most in any run', 'leftovers', most, {
      compared: 'difference',
      limit: none,
    }),
  ];
}

async function measure(cli: CodexCli): Promise<Record<Completion, Run[]>> {
  const runs: Record<Completion, Run[]> = { image: [], exit: [] };
  const backend = await startBackend(SCRIPT);
  try {
    const home = await backend.home();
    for (let run = 0; run < RUNS; run += 1) {
      for (const completion of COMPLETIONS) {
        runs[completion].push(await call(cli, backend, home, completion));
      }
    }
  } finally {
    await backend.close();
  }
  return runs;
}

async function call(
  cli: CodexCli,
  backend: Backend,
  home: Home,
  completion: Completion,
): Promise<Run> {
  const place = await makePlace(home);
  try {
    backend.play(SCRIPT);
    const began = performance.now();
    const png = await generateCodexImage({
      prompt: 'a red fox',
      codexPath: cli.shim,
      env: place.env,
      completion,
    });
    const settled = performance.now();
    const leftovers = place.leftovers();
    if (!png.equals(PICTURE)) throw new Error('this is not the picture that was drawn');
    const answered = backend.imageAnsweredAt ?? NaN;
    // What was sent before the end has arrived by then.
    await sleep(250);
    const uploads = backend.requests.filter(
      ({ path, startedAt }) => path.endsWith('/responses') && startedAt > answered,
    );
    return {
      seconds: (settled - began) / 1000,
      tailMs: settled - answered,
      uploadedMB: uploads.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6,
      leftovers,
    };
  } finally {
    await place.remove();
  }
}
