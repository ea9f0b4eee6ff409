// A call for which no further thread and no process can be made. Prints a `StarvedCall`.

import { spawnSync } from 'node:child_process';

import { warmUp } from './common.mjs';
import { starve } from './starve.mjs';

await warmUp();
const limit = (/** @type {string} */ soft) =>
  spawnSync('prlimit', ['--pid', String(process.pid), `--nproc=${soft}:`]);
const call = await starve(() => {
  limit('1');
  // Nobody could be started to give it back.
  return () => {};
});
console.log(JSON.stringify(call));
