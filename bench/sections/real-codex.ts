// The real Codex CLI: what is gained by not waiting for its end.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { generateCodexImage } from '../../index.js';
import { type CodexCli, installCodex, NEWEST, OLDEST } from '../../__test__/support/codex-cli.js';
import {
  type Backend,
  copy,
  draw,
  type Home,
  startBackend,
  talk,
  think,
} from '../../__test__/support/loopback.js';
import { makePng } from '../../__test__/support/picture.js';
import { makePlace } from '../../__test__/support/place.js';
import type { Peer } from '../peers/contract.js';
import { sdk } from '../peers/sdk.js';
import { typescript } from '../peers/typescript.js';
import type { Row, Section } from '../report.js';
import { median } from '../statistics.js';
import type { Sighting, Watch } from '../children/store-watch.js';

const RUNS = 5;
/** The size in pixels and about the size in bytes that the real tool's pictures have. */
const PICTURE = makePng({
  width: 1254,
  height: 1254,
  minBytes: 2_500_000,
  paint: (x, y) => [x >> 3, y >> 3, 160],
});
const SCRIPT = [think(1000), draw({ ms: 3000, image: PICTURE }), copy(), talk(6000)];

/** Who makes the call. */
const WAYS = {
  ours: ours('image'),
  exit: ours('exit'),
  typescript,
  sdk,
} satisfies Record<string, Peer>;
type Way = keyof typeof WAYS;

const MOST_OF_A_PEER = 0.45;
const MOST_MS_FROM_DISK = 200;

interface Run {
  /** Of the whole call. */
  seconds: number;
  /** From the last byte of the picture's answer to the settled promise. */
  tailMs: number;
  /** From the picture's being complete on disk to the settled promise. */
  diskMs: number;
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
      `(${size} MB, 1254 × 1254) and then talks for 6 s. Ours is \`completion: 'image'\`, the default. It is compared, in turn, with ` +
      "`completion: 'exit'`; with the same contract in plain TypeScript (`bench/peers/typescript.ts`: `child_process`, `readline`, the " +
      'handed path, the PNG signature); and with `@openai/codex-sdk`, told to run the same version of the CLI. All are given its ' +
      'native program. "Complete on disk" is when another process, which ' +
      "looks into Codex's store every millisecond, saw the last byte; by the settled promise all processes and the workspace are " +
      "gone. What is uploaded are the model requests that began after the last byte of the picture's answer, by which Codex shows " +
      "the model its own picture; a few kilobytes of Codex's telemetry are not counted.",
    rows: [
      // Code mode is its own choice; no model is named.
      ...(await rowsOf(await installCodex(NEWEST), { most: 400 })),
      ...(await rowsOf(await installCodex(OLDEST))),
    ],
  };
}

async function rowsOf(cli: CodexCli, tail?: { most: number }): Promise<Row[]> {
  const runs = await measure(cli);
  const row = (
    what: string,
    of: keyof Run,
    { way, name }: { way: Way; name: string },
    rest: Pick<Row, 'compared' | 'unit' | 'limit'>,
    over: (values: number[]) => number = median,
  ): Row => {
    const value = (by: Way): number => over(runs[by].map((run) => run[of]));
    const peer = { name, value: value(way) };
    return { what: `${cli.version}: ${what}`, ours: value('ours'), peer, runs: RUNS, ...rest };
  };
  const most = (values: number[]): number => Math.max(...values);
  const exit = { way: 'exit', name: 'waiting for the exit' } as const;
  const inSeconds = { compared: 'ratio', unit: 's' } as const;
  const inMs = { compared: 'ratio', unit: 'ms' } as const;
  const ofAPeer = { of: 'comparison', most: MOST_OF_A_PEER } as const;
  const fromDisk = { of: 'ours', most: MOST_MS_FROM_DISK } as const;
  const none = { of: 'ours', most: 0 } as const;
  return [
    row('whole call', 'seconds', exit, inSeconds),
    row(
      'whole call',
      'seconds',
      { way: 'typescript', name: 'plain TypeScript' },
      { ...inSeconds, limit: ofAPeer },
    ),
    row(
      'whole call',
      'seconds',
      { way: 'sdk', name: '@openai/codex-sdk' },
      { ...inSeconds, limit: ofAPeer },
    ),
    row("from the picture's last byte to the settled promise", 'tailMs', exit, {
      ...inMs,
      ...(tail && { limit: { of: 'ours', ...tail } }),
    }),
    row('from the picture complete on disk to the settled promise', 'diskMs', exit, {
      ...inMs,
      limit: fromDisk,
    }),
    row(
      'uploaded after that byte, the most in any run',
      'uploadedMB',
      exit,
      { compared: 'difference', unit: 'MB', limit: none },
      most,
    ),
    row(
      'processes and workspaces left at settling, the most in any run',
      'leftovers',
      exit,
      { compared: 'difference', limit: none },
      most,
    ),
  ];
}

async function measure(cli: CodexCli): Promise<Record<Way, Run[]>> {
  const runs: Record<Way, Run[]> = { ours: [], exit: [], typescript: [], sdk: [] };
  const backend = await startBackend(SCRIPT);
  const watcher = fork(fileURLToPath(new URL('../children/store-watch.ts', import.meta.url)));
  try {
    const home = await backend.home();
    const sighting = async (): Promise<Sighting> => {
      const [seen] = (await once(watcher, 'message')) as [Sighting];
      return seen;
    };
    /** Resolves when the store is watched, with a promise of the moment at which the picture is there. */
    const watch = async (): Promise<{ completeAt: Promise<number> }> => {
      const watching = sighting();
      const store = path.join(home.path, 'generated_images');
      watcher.send({ store, bytes: PICTURE.length } satisfies Watch);
      await watching;
      const seen = sighting();
      return { completeAt: seen.then((it) => (it === 'watching' ? NaN : it.completeAt)) };
    };
    for (let run = 0; run < RUNS; run += 1) {
      for (const way of Object.keys(WAYS) as Way[]) {
        runs[way].push(await call(way, cli, backend, home, await watch()));
      }
    }
  } finally {
    watcher.kill();
    await backend.close();
  }
  return runs;
}

async function call(
  way: Way,
  cli: CodexCli,
  backend: Backend,
  home: Home,
  watched: { completeAt: Promise<number> },
): Promise<Run> {
  const place = await makePlace(home);
  try {
    backend.play(SCRIPT);
    const began = performance.now();
    const order = { prompt: 'a red fox', codexPath: cli.binary, env: place.env };
    const png = await WAYS[way](order);
    const settled = performance.now();
    const leftovers = place.leftovers();
    if (!png.equals(PICTURE)) throw new Error('this is not the picture that was drawn');
    const answered = backend.imageAnsweredAt ?? NaN;
    // What was sent before the end has arrived by then.
    await sleep(250);
    const uploads = backend.requests.filter(
      ({ path: target, startedAt }) => target.endsWith('/responses') && startedAt > answered,
    );
    return {
      seconds: (settled - began) / 1000,
      tailMs: settled - answered,
      diskMs: performance.timeOrigin + settled - (await watched.completeAt),
      uploadedMB: uploads.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6,
      leftovers,
    };
  } finally {
    await place.remove();
  }
}

function ours(completion: 'image' | 'exit'): Peer {
  return ({ onProgress, ...order }) => generateCodexImage({ ...order, completion }, onProgress);
}
