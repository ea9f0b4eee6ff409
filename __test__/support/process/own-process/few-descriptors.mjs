// Makes calls with 0, 1, 2, … free descriptors, until one succeeds. Prints the `StarvedCall`s.

import { closeSync, openSync } from 'node:fs';

import { warmUp } from './common.mjs';
import { starve } from './starve.mjs';

await warmUp();
const calls = [];
do calls.push(await starve(() => leaveFree(calls.length)));
while (calls.at(-1)?.code !== null);
console.log(JSON.stringify(calls));

/** @param {number} count */
function leaveFree(count) {
  /** @type {number[]} */
  const taken = [];
  for (;;) {
    try {
      taken.push(openSync('/dev/null', 'r'));
    } catch {
      break;
    }
  }
  for (const descriptor of taken.splice(0, count)) closeSync(descriptor);
  return () => taken.forEach((descriptor) => closeSync(descriptor));
}
