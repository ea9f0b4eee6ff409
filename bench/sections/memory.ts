// The memory that calls hold while they run, after them, and when Codex prints far too much.

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { GenerateOptions } from '../../index.js';
import { makePng } from '../../__test__/support/image/picture.js';
import {
  makeCallEnvironment,
  type CallEnvironment,
} from '../../__test__/support/load/call-environment.js';
import { makeHome } from '../../__test__/support/loopback/home.js';
import type { Row, Section } from '../report.js';
import { median } from '../statistics.js';
import { COMPILED_STUB } from '../stubs.js';

const SCRIPT = fileURLToPath(new URL('../children/calls.mjs', import.meta.url));
const RUNS = 5;
/** Each takes half a minute. */
const FLOODS = 1;
const IN_FLIGHT = 16;
const MANY = 1000;
const LARGE = makePng({ width: 1900, height: 1400, minBytes: 1900 * 1400 * 3 });
const SMALL = makePng({ width: 8, height: 8 });
const LARGE_MB = LARGE.length / 1e6;

/** What children/calls.mjs does. */
export interface Plan {
  options: GenerateOptions;
  /** Calls whose memory is not counted. */
  warmUp: number;
  calls: number;
  atOnce: number;
}

/** What children/calls.mjs prints. */
interface Outcome {
  /** Peak of the resident set above its size before the calls. */
  peakMB: number;
  /** The same at the end, the pictures included. */
  leftMB: number;
  /** Delay of the event loop, p99. */
  delayMs: number;
  seconds: number;
}

const run = promisify(execFile);

export async function memory(): Promise<Section> {
  const home = await makeHome({ origin: 'https://127.0.0.1:9', ca: '' });
  const callEnv = await makeCallEnvironment(home);
  try {
    const inFlight = await measured(callEnv, 'thread save', LARGE, { calls: IN_FLIGHT });
    const many = await measured(callEnv, 'thread save', SMALL, { calls: MANY, warmUp: 100 });
    const line = await measured(callEnv, 'thread long_line save', SMALL, { calls: 1 });
    const flood = await measured(callEnv, 'thread flood save', SMALL, { calls: 1 }, FLOODS);
    const plain = await measured(callEnv, 'thread save', SMALL, { calls: 1 });
    const row = (
      what: string,
      outcomes: Outcome[],
      of: keyof Outcome,
      rest: Partial<Pick<Row, 'unit' | 'limit' | 'headline'>> = {},
    ): Row => ({
      what,
      unit: 'MB',
      ours: median(outcomes.map((outcome) => outcome[of])),
      peer: { name: 'one plain call', value: median(plain.map((outcome) => outcome[of])) },
      compared: 'difference',
      runs: outcomes.length,
      ...rest,
    });
    return {
      title: 'Memory',
      text:
        'The resident set of a fresh process that makes calls, above its size before them. It ' +
        'holds the pictures until the end. Codex is a stub that leaves a picture, in ' +
        'some rows after a line of 20 MB or a gigabyte of messages. The limit for a call in ' +
        'flight is twice its picture and 4 MB.',
      rows: [
        {
          what: `peak for each of ${IN_FLIGHT} calls in flight`,
          headline: `Peak memory for each of ${IN_FLIGHT} calls at once`,
          unit: 'MB',
          ours: median(inFlight.map(({ peakMB }) => peakMB / IN_FLIGHT)),
          peer: { name: 'its picture', value: LARGE_MB },
          compared: 'ratio',
          limit: { of: 'ours', most: 2 * LARGE_MB + 4 },
          runs: RUNS,
        },
        row(`left after ${MANY.toLocaleString('en')} calls`, many, 'leftMB'),
        row('peak with a line of 20 MB', line, 'peakMB', { limit: { of: 'ours', most: 8 } }),
        row('peak with 1 GB of messages', flood, 'peakMB', {
          headline: 'Peak memory while Codex prints 1 GB',
          limit: { of: 'ours', most: 40 },
        }),
        row('event-loop delay, p99, with 1 GB of messages', flood, 'delayMs', {
          unit: 'ms',
          limit: { of: 'ours', most: 20 },
        }),
        row('the whole call with 1 GB of messages', flood, 'seconds', { unit: 's' }),
      ],
    };
  } finally {
    await Promise.all([callEnv.remove(), home.remove()]);
  }
}

async function measured(
  callEnv: CallEnvironment,
  steps: string,
  picture: Buffer,
  plan: Partial<Plan>,
  runs = RUNS,
): Promise<Outcome[]> {
  const file = path.join(callEnv.directory, 'picture.png');
  await writeFile(file, picture);
  const outcomes: Outcome[] = [];
  for (let n = 0; n < runs; n += 1) {
    const options = {
      prompt: 'a red fox',
      codexPath: COMPILED_STUB,
      env: { ...callEnv.env, STUB_STEPS: steps, STUB_PICTURE: file },
    };
    const whole: Plan = { options, warmUp: 1, calls: 1, atOnce: IN_FLIGHT, ...plan };
    const { stdout } = await run(process.execPath, [SCRIPT, JSON.stringify(whole)]);
    outcomes.push(JSON.parse(stdout) as Outcome);
  }
  return outcomes;
}
