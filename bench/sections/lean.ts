// The cost of a lean turn, in which what a picture does not need is off, and of a plain one.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { generateCodexImage, type GenerateOptions } from '../../index.js';
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
  say,
  startBackend,
} from '../../__test__/support/loopback/backend.js';
import { makePng } from '../../__test__/support/image/picture.js';
import {
  makeCallEnvironment,
  type CallEnvironment,
} from '../../__test__/support/load/call-environment.js';
import type { Row, Section } from '../report.js';
import { median } from '../statistics.js';

const RUNS = 9;
const PICTURE = makePng({ width: 256, height: 256, seed: 7 });
const SCRIPT = [draw({ image: PICTURE }), copy(), say('Done.')];
const SAMPLE_EVERY_MS = 10;

/** All wait for the exit of Codex except `asUsual`. */
const WAYS = {
  // A default of Codex that the addon always turns off.
  plain: { lean: false, completion: 'exit', config: { 'features.shell_snapshot': 'true' } },
  lean: { completion: 'exit' },
  readOnly: { completion: 'exit', sandbox: 'read-only' },
  asUsual: {},
} satisfies Record<string, Partial<GenerateOptions>>;
type Way = keyof typeof WAYS;

interface Run {
  ms: number;
  /** Size of the first request to the model. */
  firstKB: number;
  /** Requests neither to the model nor for the picture. */
  others: number;
}

interface Figures {
  runs: Run[];
  /** Peak memory of all processes of a run together, each shared page counted once. */
  peakMB: number[];
}

export async function lean(): Promise<Section> {
  return {
    title: 'A lean turn',
    text:
      'The real Codex CLI, with a loopback server that answers at once. "Plain" is ' +
      '`codex exec --sandbox workspace-write` with its own defaults, up to its exit, in a home ' +
      'that holds only a login: no MCP servers, plugins or AGENTS.md, which a plain turn would ' +
      'start or send as well. Three lean turns are compared with it: the default call, which ' +
      'ends with the picture; one up to the exit in the sandbox `read-only`, where nothing is ' +
      'copied; and one up to the exit that does all that the plain turn does. Tokens cannot be ' +
      'counted without an account; each later request contains the first one. Memory is that of ' +
      'all processes together, shared pages counted once, in separate runs.',
    rows: [
      ...(await rowsOf(await installCodex(OLDEST), { mostOfRequest: 0.6 })),
      ...(await rowsOf(await installCodex(NEWEST), {
        mostOfRequest: 0.55,
        headline: 'First request to the model, against plain `codex exec`',
      })),
    ],
  };
}

async function rowsOf(
  cli: CodexCli,
  { mostOfRequest, ...headline }: { mostOfRequest: number; headline?: string },
): Promise<Row[]> {
  const figures = await measure(cli);
  const row = (
    what: string,
    values: (figures: Figures) => number[],
    way: Way,
    rest: Pick<Row, 'unit' | 'limit' | 'headline'>,
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
  const atMost = (most: number): Pick<Row, 'limit'> => ({ limit: { of: 'comparison', most } });
  const ms = of('ms');
  return [
    row('first request', of('firstKB'), 'lean', {
      unit: 'KB',
      ...atMost(mostOfRequest),
      ...headline,
    }),
    row('other requests', of('others'), 'lean', {}),
    row('the default call', ms, 'asUsual', { unit: 'ms', ...atMost(0.6) }),
    row('up to the exit, `read-only`', ms, 'readOnly', { unit: 'ms', ...atMost(0.6) }),
    row('up to the exit, same sandbox', ms, 'lean', { unit: 'ms' }),
    row('peak memory, same sandbox', ({ peakMB }) => peakMB, 'lean', { unit: 'MB' }),
  ];
}

async function measure(cli: CodexCli): Promise<Record<Way, Figures>> {
  const backend = await startBackend(SCRIPT);
  const figures = Object.fromEntries(
    Object.keys(WAYS).map((way) => [way, { runs: [], peakMB: [] }]),
  ) as unknown as Record<Way, Figures>;
  const ways = Object.keys(WAYS) as Way[];
  const callEnvs = new Map<Way, CallEnvironment>();
  try {
    for (const way of ways) {
      const callEnv = await makeCallEnvironment(await backend.home());
      callEnvs.set(way, callEnv);
      // Warms up: Codex makes its databases and caches once for each home.
      await call(cli, backend, callEnv, way);
    }
    for (let run = 0; run < RUNS; run += 1) {
      for (const [way, callEnv] of callEnvs) {
        figures[way].runs.push(await call(cli, backend, callEnv, way));
      }
    }
    for (let run = 0; run < RUNS; run += 1) {
      for (const [way, callEnv] of callEnvs) {
        const ended = new AbortController();
        const peak = peakOf(callEnv, ended.signal);
        await call(cli, backend, callEnv, way);
        ended.abort();
        figures[way].peakMB.push(await peak);
      }
    }
    return figures;
  } finally {
    await Promise.all([...callEnvs.values()].map((callEnv) => callEnv.remove()));
    await backend.close();
  }
}

async function call(
  cli: CodexCli,
  backend: Backend,
  { env }: CallEnvironment,
  way: Way,
): Promise<Run> {
  backend.play(SCRIPT);
  const began = performance.now();
  const options = { prompt: 'a red fox', codexPath: cli.launcher, env, ...WAYS[way] };
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

/** Samples the memory of all processes until `ended`. */
async function peakOf(callEnv: CallEnvironment, ended: AbortSignal): Promise<number> {
  let peak = 0;
  while (!ended.aborted) {
    const sizes = callEnv.processes().map(({ pid }) => proportionalKB(pid));
    peak = Math.max(
      peak,
      sizes.reduce((sum, size) => sum + size, 0),
    );
    await sleep(SAMPLE_EVERY_MS);
  }
  return peak / 1e3;
}

/** Memory of a process, or 0 if it has exited. */
function proportionalKB(pid: number): number {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
