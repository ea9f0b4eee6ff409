// Makes CALLS calls of the compiled stub, ROUNDS times, and aborts them when all of them run.
// Prints the `Holdings` before and afterwards.

import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { generateCodexImage, setMaxConcurrentRuns } from '../../../../index.js';
import { descriptors, options, resident, threads } from './common.mjs';

const calls = Number(process.env['CALLS']);
const controlDir = options.env?.['STUB_CONTROL_DIR'] ?? '';
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
let running = started();
setMaxConcurrentRuns(calls);

// Makes what is made once and kept for later calls.
await round();
await round();
const before = holdings();
for (let n = 0; n < Number(process.env['ROUNDS']); n += 1) await round();
// The runtime keeps its threads for later calls, and ends idle ones after ten seconds.
const deadline = performance.now() + 60_000;
while (threads() > before.threads && performance.now() < deadline) await sleep(50);
console.log(JSON.stringify({ before, after: holdings() }));

async function round() {
  // One for each: Node warns of many listeners on one signal.
  const controllers = Array.from({ length: calls }, () => new AbortController());
  const ended = controllers.map(({ signal }) => generateCodexImage({ ...options, signal }));
  const outcomes = Promise.allSettled(ended);
  running += calls;
  while (started() < running) await sleep(5);
  for (const controller of controllers) controller.abort('enough');
  for (const outcome of await outcomes) {
    if (outcome.status === 'fulfilled' || outcome.reason !== 'enough') {
      throw new Error('a call was not aborted', { cause: outcome });
    }
  }
}

/** How many stubs have started so far. */
function started() {
  return readdirSync(controlDir).filter((name) => name.endsWith('.up')).length;
}

/** @returns {import('../own-process.js').Holdings} */
function holdings() {
  collectGarbage();
  return { descriptors: descriptors(), threads: threads(), memory: resident() };
}
