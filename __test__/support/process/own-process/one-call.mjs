// Makes one call. Prints an `Outcome`.

import { forgetPeak, generate, peak, shown, warmUp } from './common.mjs';

await warmUp();
const before = forgetPeak();
const ended = await generate();
const peakGrowth = peak() - before;

console.log(JSON.stringify({ ...shown(ended), peakGrowth }));
