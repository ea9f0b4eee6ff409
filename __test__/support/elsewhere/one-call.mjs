// One call. Prints an `Outcome`.

import { forgetPeak, generate, peak, warmUp } from './common.mjs';

await warmUp();
const before = forgetPeak();
const ended = await generate();
const peakGrowth = peak() - before;

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
