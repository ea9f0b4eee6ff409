// Recovers one picture, or fails to, and prints the memory and time that it took as JSON. Plain
// JavaScript, because a compiler would take memory.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** @type {import('../../index.js')} */
const { recoverCodexImage } = createRequire(import.meta.url)('../../index.js');
const [threadId = ''] = process.argv.slice(2);
// Warms up: code is loaded and compiled only once.
await recoverCodexImage({ threadId: '00000000-0000-7000-8000-000000000000' }).catch(() => {});

// Resets the peak of the resident set (proc(5)).
writeFileSync('/proc/self/clear_refs', '5');
const before = kilobytes('VmRSS');
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const began = performance.now();
const outcome = await recoverCodexImage({ threadId }).then(
  ({ png }) => (png.length > 0 ? 'accepted' : 'empty'),
  (error) => error.code,
);
const ms = performance.now() - began;
delay.disable();
const peakMB = (kilobytes('VmHWM') - before) / 1e3;
console.log(JSON.stringify({ outcome, peakMB, ms, delayMs: delay.max / 1e6 }));

/** @param {'VmRSS' | 'VmHWM'} of */
function kilobytes(of) {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${of}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
}
