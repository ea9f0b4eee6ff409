// A call of the real Codex CLI, compared with waiting for its exit and with other ways to call it.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { generateCodexImage } from '../../index.js';
import {
  type CodexCli,
  installCodex,
  NEWEST,
  OLDEST,
} from '../../__test__/support/real/codex-cli.js';
import {
  type Backend,
  copy,
  draw,
  type Home,
  startBackend,
  talk,
  think,
} from '../../__test__/support/loopback/backend.js';
import { makePng } from '../../__test__/support/image/picture.js';
import { makeCallEnvironment } from '../../__test__/support/load/call-environment.js';
import type { Report, Watch } from '../children/store-watch.js';
import type { Peer } from '../peers/contract.js';
import { sdk } from '../peers/sdk.js';
import { typescript } from '../peers/typescript.js';
import type { Plot } from '../plots.js';
import type { Row, Section } from '../report.js';
import { median } from '../statistics.js';

const RUNS = 5;
/** As many pixels as the real tool draws, and about as many bytes. */
const PICTURE = makePng({
  width: 1254,
  height: 1254,
  minBytes: 2_500_000,
  paint: (x, y) => [x >> 3, y >> 3, 160],
});
const SCRIPT = [think(1000), draw({ ms: 3000, image: PICTURE }), copy(), talk(6000)];

/** The ways to make the call. */
const WAYS = {
  ours: ours('image'),
  exit: ours('exit'),
  typescript,
  sdk,
} satisfies Record<string, Peer>;
type Way = keyof typeof WAYS;
const NAMES: Record<Way, string> = {
  ours: 'codex-image',
  exit: 'waiting for the exit',
  typescript: 'plain TypeScript',
  sdk: '@openai/codex-sdk',
};

const MOST_OF_A_PEER = 0.45;
/** For the newest version. 0.132.0 itself takes about 370 ms from that byte to the file. */
const MOST_MS_FROM_BYTE = 400;
const MOST_MS_FROM_DISK = 200;

interface Measured {
  version: string;
  runs: Record<Way, Run[]>;
}

interface Run {
  seconds: number;
  /** From the last byte of the picture's answer to the settled promise. */
  tailMs: number;
  /** From the picture complete on disk to the settled promise. */
  diskMs: number;
  /** Received from the requests to the model that began after that byte. */
  uploadedMB: number;
  /** Processes and workspaces that exist when the promise settles. */
  leftovers: number;
}

export async function realCodex(): Promise<Section> {
  const newest = await measure(await installCodex(NEWEST));
  const oldest = await measure(await installCodex(OLDEST));
  const size = (PICTURE.length / 1e6).toFixed(1);
  return {
    title: 'A call of the real Codex CLI',
    text:
      'A loopback server in the place of OpenAI thinks for 1 s, draws for 3 s, has the agent ' +
      `copy the picture (${size} MB, 1254 × 1254) and then sends messages for 6 s. Ours is ` +
      "`completion: 'image'`, the default. It is compared, in turn, with `completion: 'exit'`; " +
      'with plain TypeScript (`bench/peers/typescript.ts`: `child_process`, `readline`, a copy ' +
      'of the picture in the workspace, the PNG signature); and with `@openai/codex-sdk`, ' +
      'configured to run the same version of the CLI. All run its native program. A picture is ' +
      "complete on disk when another process, which reads Codex's store every millisecond, finds " +
      'the last byte. When the promise settles, all processes and the workspace are gone. ' +
      'Uploads are those model requests that begin after the last byte of the picture was sent: ' +
      "with them Codex shows the model its own picture. A few kilobytes of Codex's telemetry are " +
      'not counted.',
    rows: [...rowsOf(newest, true), ...rowsOf(oldest, false)],
    plot: wholeCallPlot([newest, oldest]),
  };
}

/** Compares the whole call of each version with its peers. */
function wholeCallPlot(measured: readonly Measured[]): Plot {
  return {
    kind: 'bars',
    file: 'whole-call',
    title: 'A whole call of the real Codex CLI',
    alt: 'Bars: seconds until the picture is returned, for codex-image and three other ways.',
    axisTitle: `seconds until the picture is returned, median of ${RUNS} runs`,
    unit: 's',
    groups: measured.map(({ version, runs }) => ({
      name: `Codex ${version}`,
      bars: (Object.keys(WAYS) as Way[]).map((way) => ({
        name: NAMES[way],
        role: way === 'ours' ? 'ours' : 'peer',
        value: median(runs[way].map(({ seconds }) => seconds)),
      })),
    })),
  };
}

/** Only the newest version gives headlines. */
function rowsOf({ version, runs }: Measured, isNewest: boolean): Row[] {
  const row = (
    what: string,
    of: keyof Run,
    way: Way,
    rest: Pick<Row, 'compared' | 'unit' | 'limit' | 'headline'>,
    over: (values: number[]) => number = median,
  ): Row => {
    const value = (by: Way): number => over(runs[by].map((run) => run[of]));
    const peer = { name: NAMES[way], value: value(way) };
    return { what: `${version}: ${what}`, ours: value('ours'), peer, runs: RUNS, ...rest };
  };
  const headline = (text: string): Pick<Row, 'headline'> => (isNewest ? { headline: text } : {});
  const most = (values: number[]): number => Math.max(...values);
  const inSeconds = { compared: 'ratio', unit: 's' } as const;
  const inMs = { compared: 'ratio', unit: 'ms' } as const;
  const ofPeer = { limit: { of: 'comparison', most: MOST_OF_A_PEER } } as const;
  const fromByte = { limit: { of: 'ours', most: MOST_MS_FROM_BYTE } } as const;
  const fromDisk = { limit: { of: 'ours', most: MOST_MS_FROM_DISK } } as const;
  const none = { compared: 'difference', limit: { of: 'ours', most: 0 } } as const;
  return [
    row('whole call', 'seconds', 'exit', inSeconds),
    row('whole call', 'seconds', 'typescript', {
      ...inSeconds,
      ...ofPeer,
      ...headline(`A whole call of Codex ${version}`),
    }),
    row('whole call', 'seconds', 'sdk', { ...inSeconds, ...ofPeer }),
    row("from the picture's last byte to the settled promise", 'tailMs', 'exit', {
      ...inMs,
      ...(isNewest && fromByte),
    }),
    row('from the picture complete on disk to the settled promise', 'diskMs', 'exit', {
      ...inMs,
      ...fromDisk,
      ...headline('From the picture on disk to the settled promise'),
    }),
    row(
      'uploaded after that byte, the most in any run',
      'uploadedMB',
      'exit',
      { ...none, unit: 'MB' },
      most,
    ),
    row(
      'processes and workspaces left at settling, the most in any run',
      'leftovers',
      'exit',
      { ...none, ...headline('Processes and workspaces left when it settles') },
      most,
    ),
  ];
}

async function measure(cli: CodexCli): Promise<Measured> {
  const runs: Record<Way, Run[]> = { ours: [], exit: [], typescript: [], sdk: [] };
  const backend = await startBackend(SCRIPT);
  const watcher = fork(fileURLToPath(new URL('../children/store-watch.ts', import.meta.url)));
  try {
    const home = await backend.home();
    const nextReport = async (): Promise<Report> => {
      const [seen] = (await once(watcher, 'message')) as [Report];
      return seen;
    };
    /** Resolves when the store is watched, with the time at which the picture will be complete. */
    const watch = async (): Promise<{ completeAt: Promise<number> }> => {
      const watching = nextReport();
      const store = path.join(home.path, 'generated_images');
      watcher.send({ store, bytes: PICTURE.length } satisfies Watch);
      await watching;
      const seen = nextReport();
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
  return { version: cli.version, runs };
}

async function call(
  way: Way,
  cli: CodexCli,
  backend: Backend,
  home: Home,
  watched: { completeAt: Promise<number> },
): Promise<Run> {
  const callEnv = await makeCallEnvironment(home);
  try {
    backend.play(SCRIPT);
    const began = performance.now();
    const order = { prompt: 'a red fox', codexPath: cli.binary, env: callEnv.env };
    const png = await WAYS[way](order);
    const settled = performance.now();
    const leftovers = callEnv.leftovers();
    if (!png.equals(PICTURE)) throw new Error('this is not the picture that was drawn');
    const answered = backend.imageAnsweredAt ?? NaN;
    // Waits for uploads that were sent before the promise settled.
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
    await callEnv.remove();
  }
}

function ours(completion: 'image' | 'exit'): Peer {
  return ({ onProgress, ...order }) => generateCodexImage({ ...order, completion }, onProgress);
}
