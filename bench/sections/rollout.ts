// The cost of reading Codex's rollout, its file for a thread.

import { randomUUID } from 'node:crypto';
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { generateCodexImageDetailed } from '../../index.js';
import { makePng } from '../../__test__/support/image/picture.js';
import type { CallEnvironment } from '../../__test__/support/load/call-environment.js';
import { recoverInChild } from '../recover-in-child.js';
import type { Row, Section } from '../report.js';
import { median } from '../statistics.js';
import { makeStubEnvironment, PROMPT, COMPILED_STUB } from '../stubs.js';

const RUNS = 5;
const MOST_MB = 40;
/** Calls with each rollout. */
const CALLS_PER_ROLLOUT = 20;
const ROLLOUT_MB = 64;
const MOST_MS = 10;
/** About 8 MB as base64, which most versions write twice into the rollout. */
const PICTURE = makePng({ width: 1600, height: 1300, minBytes: 6_000_000 });

export async function rollout(): Promise<Section> {
  const callEnv = await makeStubEnvironment(0, 0);
  const thread = randomUUID();
  try {
    const bytes = await leaveRollout(callEnv.env['CODEX_HOME'] ?? '', thread);
    const peaks: number[] = [];
    for (let n = 0; n < RUNS; n += 1) {
      peaks.push((await recoverInChild(callEnv.env, thread)).peakMB);
    }
    const megabytes = (length: number): string => (length / 1e6).toFixed(1);
    return {
      title: 'Reading a record',
      text:
        'A picture in the store is verified only if the head of its thread’s record states the ' +
        'sandbox of the call. A stub Codex leaves a record that consists of this head, or has ' +
        `${ROLLOUT_MB} MB of other lines after it, and then a picture of one pixel. The time is ` +
        'that of the whole call. `recoverCodexImage` finds a picture of ' +
        `${megabytes(PICTURE.length)} MB in a record of ${megabytes(bytes)} MB, whose longest ` +
        `line has ${megabytes((PICTURE.length * 4) / 3)} MB, decodes it whole and returns it. ` +
        'The memory is the peak of the resident set of a fresh process above its size before the ' +
        'call, the returned buffer included. It is compared with the size of the picture.',
      rows: [
        await headRow(callEnv),
        {
          what: 'peak memory above the start',
          unit: 'MB',
          ours: median(peaks),
          peer: { name: 'the picture', value: PICTURE.length / 1e6 },
          compared: 'ratio',
          limit: { of: 'ours', most: MOST_MB },
          runs: RUNS,
        },
      ],
    };
  } finally {
    await callEnv.remove();
  }
}

/** Compares a call whose rollout is long with one whose rollout is only a head. */
async function headRow({ env }: CallEnvironment): Promise<Row> {
  const head = { type: 'turn_context', payload: { sandbox_policy: { type: 'workspace-write' } } };
  const filler = `${JSON.stringify({ type: 'event_msg', payload: { text: 'x'.repeat(1e6) } })}\n`;
  const home = env['CODEX_HOME'] ?? '';
  const rolloutFile = path.join(home, 'rollout.jsonl');
  const times: Record<'long' | 'short', number[]> = { long: [], short: [] };
  for (let run = 0; run < CALLS_PER_ROLLOUT; run += 1) {
    for (const length of run % 2 === 0
      ? (['long', 'short'] as const)
      : (['short', 'long'] as const)) {
      await writeFile(rolloutFile, `${JSON.stringify(head)}\n`);
      if (length === 'long') await appendFile(rolloutFile, filler.repeat(ROLLOUT_MB));
      const { timings, verified } = await generateCodexImageDetailed({
        prompt: PROMPT,
        codexPath: COMPILED_STUB,
        env: { ...env, STUB_ROLLOUT: rolloutFile },
        sandbox: 'workspace-write',
      });
      if (!verified) throw new Error('the head of the rollout was not read');
      times[length].push(timings.totalMs);
      await rm(path.join(home, 'sessions'), { recursive: true });
    }
  }
  return {
    what: 'head of the record read',
    unit: 'ms',
    ours: median(times.long),
    peer: { name: 'a record without more', value: median(times.short) },
    compared: 'difference',
    limit: { of: 'comparison', most: MOST_MS },
    runs: CALLS_PER_ROLLOUT,
  };
}

/** Writes the rollout that 0.140.0 leaves for a picture that it did not save. */
async function leaveRollout(home: string, thread: string): Promise<number> {
  const directory = path.join(home, 'sessions', '2026', '03', '09');
  const result = PICTURE.toString('base64');
  const lines = [
    { type: 'session_meta', payload: { id: thread } },
    { type: 'event_msg', payload: { type: 'image_generation_end', status: 'generating', result } },
    {
      type: 'response_item',
      payload: { type: 'image_generation_call', status: 'generating', result },
    },
  ];
  const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, `rollout-2026-03-09T10-11-12-${thread}.jsonl`), bytes);
  return bytes.length;
}
