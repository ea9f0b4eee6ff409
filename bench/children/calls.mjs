// Makes calls of one kind, and prints the memory and time that they took as JSON. Plain JavaScript,
// because a compiler would take memory.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** @import { GenerateOptions } from '../../index.js' */
/** @import { Plan } from '../sections/memory.js' */

/** @type {import('../../index.js')} */
const { generateCodexImage, setMaxConcurrentRuns } = createRequire(import.meta.url)(
  '../../index.js',
);

/** @type {Plan} */
const { options, warmUp, calls, atOnce } = JSON.parse(process.argv[2] ?? '{}');
setMaxConcurrentRuns(atOnce);
// Warms up: code is loaded and compiled, and buffers are allocated, only once.
await generate(warmUp, { ...options, env: { ...options.env, STUB_STEPS: 'thread save' } });

// Resets the peak of the resident set (proc(5)).
writeFileSync('/proc/self/clear_refs', '5');
const before = kilobytes('VmRSS');
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const began = performance.now();
// Keeps all pictures until the memory is measured.
const pictures = await generate(calls, options);
const seconds = (performance.now() - began) / 1e3;
delay.disable();
const megabytes = { peak: kilobytes('VmHWM') - before, left: kilobytes('VmRSS') - before };
console.log(
  JSON.stringify({
    peakMB: megabytes.peak / 1e3,
    leftMB: megabytes.left / 1e3,
    delayMs: delay.percentile(99) / 1e6,
    seconds,
    pictures: pictures.length,
  }),
);

/**
 * @param {number} count
 * @param {GenerateOptions} with_
 */
async function generate(count, with_) {
  const call = () => generateCodexImage(with_, () => {});
  return Promise.all(Array.from({ length: count }, call));
}

/** @param {'VmRSS' | 'VmHWM'} of */
function kilobytes(of) {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${of}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
}
