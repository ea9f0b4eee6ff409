// What it costs to read a picture out of Codex's record of a thread.

import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { makePng } from '../__test__/support/picture.js';
import { recoverAlone } from './recover.js';
import type { Section } from './report.js';
import { median } from './statistics.js';
import { makeStubPlace } from './stubs.js';

const RUNS = 5;
const MOST_MB = 40;
/** About 8 MB as base64, which stands twice in the record of most versions. */
const PICTURE = makePng({ width: 1600, height: 1300, minBytes: 6_000_000 });

export async function recovery(): Promise<Section> {
  const place = await makeStubPlace(0, 0);
  const thread = randomUUID();
  try {
    const bytes = await leaveRecord(place.env['CODEX_HOME'] ?? '', thread);
    const peaks: number[] = [];
    for (let n = 0; n < RUNS; n += 1) {
      peaks.push((await recoverAlone(place.env, thread)).peakMB);
    }
    const megabytes = (length: number): string => (length / 1e6).toFixed(1);
    return {
      title: 'Reading a record',
      text:
        `\`recoverCodexImage\` finds a picture of ${megabytes(PICTURE.length)} MB in a record of ${megabytes(bytes)} MB, whose longest line has ` +
        `${megabytes((PICTURE.length * 4) / 3)} MB, decodes it whole and returns it. The memory is the highest resident set of a fresh process ` +
        "above what it was just before the call, the returned buffer included; it is compared with the picture's own size.",
      rows: [
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
    await place.remove();
  }
}

/** As 0.140.0 leaves it for a picture that it did not save. */
async function leaveRecord(home: string, thread: string): Promise<number> {
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
  const record = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, `rollout-2026-03-09T10-11-12-${thread}.jsonl`), record);
  return record.length;
}
