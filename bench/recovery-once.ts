// A process of its own that recovers one picture and says what that took.

import { readFileSync, writeFileSync } from 'node:fs';

import { recoverCodexImage } from '../index.js';

const [threadId = ''] = process.argv.slice(2);
// Loads everything that is loaded only once.
await recoverCodexImage({ threadId: '00000000-0000-7000-8000-000000000000' }).catch(() => {});

// The highest resident set is counted from here (proc(5)).
writeFileSync('/proc/self/clear_refs', '5');
const before = kilobytes('VmRSS');
const { png } = await recoverCodexImage({ threadId });
const peakMB = (kilobytes('VmHWM') - before) / 1e3;
if (png.length === 0) throw new Error('there is nothing');
console.log(JSON.stringify({ peakMB }));

function kilobytes(of: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${of}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
}
