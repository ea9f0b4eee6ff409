// What a turn weighs with everything switched off that a picture does not need, and without.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { generateCodexImage, type GenerateOptions } from '../../index.js';
import { type CodexCli, installCodex, NEWEST, OLDEST } from '../../__test__/support/codex-cli.js';
import { type Backend, copy, draw, say, startBackend } from '../../__test__/support/loopback.js';
import { makePng } from '../../__test__/support/picture.js';
import { makePlace, type Place } from '../../__test__/support/place.js';
import type { Row, Section } from '../report.js';
import { median } from '../statistics.js';

const RUNS = 9;
const PICTURE = makePng({ width: 256, height: 256, seed: 7 });
const SCRIPT = [draw({ image: PICTURE }), copy(), say('Done.')];
const SAMPLE_EVERY_MS = 10;

/** Everything is waited for to Codex's own end, but for the last. */
const WAYS = {
  // The snapshot of the shell is a default of Codex's which the addon never leaves on by itself.
  plain: { lean: false, completion: 'exit', config: { 'features.shell_snapshot': 'true' } },
  lean: { completion: 'exit' },
  readOnly: { completion: 'exit', sandbox: 'read-only' },
  asUsual: {},
} satisfies Record<string, Partial<GenerateOptions>>;
type Way = keyof typeof WAYS;

interface Run {
  ms: number;
  /** Of the first request to the model. */
  firstKB: number;
  /** Requests that were neither to the model nor for the picture. */
  others: number;
}

interface Figures {
  runs: Run[];
  /** The most that all processes of a run held at the same time, each shared page counted once. */
  peakMB: number[];
}

export async function lean(): Promise<Section> {
  return {
    title: 'A lean turn',
    text:
      'The real Codex CLI against a stand-in that answers at once. "Plain" is what `codex exec --sandbox workspace-write` does by its ' +
      'own defaults, up to its end, in a home that holds nothing but a login: no MCP servers, plugins or AGENTS.md, which a plain ' +
      'turn would start or send as well. Lean turns are compared with it in three forms: the default call, which ends with the picture; ' +
      'one to the end in the sandbox `read-only`, where there is nothing to copy; and one to the end that does all that the plain one ' +
      'does. Tokens cannot be counted without an account; the first request is sent again with each later one. Memory is that of all ' +
      'processes together, shared pages counted once, in runs of their own.',
    rows: [
      ...(await rowsOf(await installCodex(OLDEST), 0.6)),
      ...(await rowsOf(await installCodex(NEWEST), 0.55)),
    ],
  };
}

async function rowsOf(cli: CodexCli, mostOfRequest: number): Promise<Row[]> {
  const figures = await measure(cli);
  const row = (
    what: string,
    values: (figures: Figures) => number[],
    way: Way,
    rest: Pick<Row, 'unit' | 'limit'>,
  ): Row => {
    const [ours, plain] = [values(figures[way]), values(figures.plain)];
    return {
      what: `${cli.version}: ${what}`,
      ours: median(ours),
      peer: { name: 'plain', value: median(plain) },
      compared: 'ratio',
      runs: ours.length,
      ...rest,
    };
  };
  const of = (key: keyof Run) => (from: Figures) => from.runs.map((run) => run[key]);
  const least = (most: number): Pick<Row, 'limit'> => ({ limit: { of: 'comparison', most } });
  const ms = of('ms');
  return [
    row('first request', of('firstKB'), 'lean', { unit: 'KB', ...least(mostOfRequest) }),
    row('other requests', of('others'), 'lean', {}),
    row('the default call', ms, 'asUsual', { unit: 'ms', ...least(0.6) }),
    row('to the end, `read-only`', ms, 'readOnly', { unit: 'ms', ...least(0.6) }),
    row('to the end, same sandbox', ms, 'lean', { unit: 'ms' }),
    row('peak memory, same sandbox', ({ peakMB }) => peakMB, 'lean', { unit: 'MB' }),
  ];
}

async function measure(cli: CodexCli): Promise<Record<Way, Figures>> {
  const backend = await startBackend(SCRIPT);
  const figures = Object.fromEntries(
    Object.keys(WAYS).map((way) => [way, { runs: [], peakMB: [] }]),
  ) as unknown as Record<Way, Figures>;
  const ways = Object.keys(WAYS) as Way[];
  const places = new Map<Way, Place>();
  try {
    for (const way of ways) {
      const place = await makePlace(await backend.home());
      places.set(way, place);
      // Databases and caches of Codex's are made in a home only once.
      await call(cli, backend, place, way);
    }
    for (let run = 0; run < RUNS; run += 1) {
      for (const [way, place] of places) {
        figures[way].runs.push(await call(cli, backend, place, way));
      }
    }
    for (let run = 0; run < RUNS; run += 1) {
      for (const [way, place] of places) {
        const ended = new AbortController();
        const peak = peakOf(place, ended.signal);
        await call(cli, backend, place, way);
        ended.abort();
        figures[way].peakMB.push(await peak);
      }
    }
    return figures;
  } finally {
    await Promise.all([...places.values()].map((place) => place.remove()));
    await backend.close();
  }
}

async function call(cli: CodexCli, backend: Backend, { env }: Place, way: Way): Promise<Run> {
  backend.play(SCRIPT);
  const began = performance.now();
  const options = { prompt: 'a red fox', codexPath: cli.shim, env, ...WAYS[way] };
  const png = await generateCodexImage(options);
  const ms = performance.now() - began;
  if (!png.equals(PICTURE)) throw new Error('this is not the picture that was drawn');
  const isOf = (path: string, ends: RegExp): boolean => ends.test(path.replace(/\?.*/, ''));
  const { requests } = backend;
  const first = requests.find(
    ({ method, path }) => method === 'POST' && isOf(path, /\/responses$/),
  );
  const others = requests.filter(({ path }) => !isOf(path, /\/(responses|generations)$/));
  return { ms, firstKB: (first?.bytes ?? NaN) / 1e3, others: others.length };
}

/** Looks again and again, until `ended`. */
async function peakOf(place: Place, ended: AbortSignal): Promise<number> {
  let peak = 0;
  while (!ended.aborted) {
    const sizes = place.processes().map(({ pid }) => proportionalKB(pid));
    peak = Math.max(
      peak,
      sizes.reduce((sum, size) => sum + size, 0),
    );
    await sleep(SAMPLE_EVERY_MS);
  }
  return peak / 1e3;
}

/** Of a process that may have ended meanwhile. */
function proportionalKB(pid: number): number {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
