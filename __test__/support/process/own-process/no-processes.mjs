// Makes a call for which no more thread or process can be started. Prints a `StarvedCall`.

import { spawnSync } from 'node:child_process';

import { warmUp } from './common.mjs';
import { starve } from './starve.mjs';

await warmUp();
const limit = (/** @type {string} */ soft) =>
  spawnSync('prlimit', ['--pid', String(process.pid), `--nproc=${soft}:`]);
const call = await starve(() => {
  limit('1');
  // The limit cannot be lifted: no process could be started for that.
  return () => {};
});
console.log(JSON.stringify(call));
