// One call. Prints an `Outcome`.

import { writeFileSync } from 'node:fs';

import { generate, memory, warmUp } from './common.mjs';

await warmUp();
// The peak is from now on (proc(5)).
writeFileSync('/proc/self/clear_refs', '5');
const before = memory('VmRSS');
const ended = await generate();
const peakGrowth = memory('VmHWM') - before;

console.log(JSON.stringify({ ...shown(ended), peakGrowth }));

/** @param {Awaited<ReturnType<typeof generate>>} outcome */
function shown(outcome) {
  if ('error' in outcome) {
    const { code, message, status, detail } = outcome.error;
    return { error: { code, message, status, detail } };
  }
  const { png: _png, ...image } = outcome.image;
  return { image };
}
