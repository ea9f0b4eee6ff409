// A process of its own that recovers one picture, or fails to, and says what that took.

import { readFileSync, writeFileSync } from 'node:fs';

import { type CodexImageError, recoverCodexImage } from '../index.js';
import type { Outcome, Recovered } from './recovery.js';

const [threadId = ''] = process.argv.slice(2);
// Loads everything that is loaded only once.
await recoverCodexImage({ threadId: '00000000-0000-7000-8000-000000000000' }).catch(() => {});

// The highest resident set is counted from here (proc(5)).
writeFileSync('/proc/self/clear_refs', '5');
const before = kilobytes('VmRSS');
const outcome = await recoverCodexImage({ threadId }).then(
  (): Outcome => 'accepted',
  ({ code }: CodexImageError) => code,
);
const peakMB = (kilobytes('VmHWM') - before) / 1e3;
console.log(JSON.stringify({ peakMB, outcome } satisfies Recovered));

function kilobytes(of: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${of}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
}
