// Makes many calls for a home on a dead disk, and then one for a home that answers.

import { setTimeout as sleep } from 'node:timers/promises';

import { checkCodex, recoverCodexImage } from '../../../../index.js';
import { threads } from './common.mjs';

const { dead, healthy, threadId, calls } = JSON.parse(process.argv[2] ?? '');

// The first call starts the runtime's threads.
await checkCodex(healthy);
const before = threads();
const recovery = { threadId, codexHome: dead.codexHome, env: dead.env };
const checks = await Promise.all(Array.from({ length: calls }, () => checkCodex(dead)));
// The disk is certainly dead now: before that it answers, and a recovery finds no image.
const recoveries = await Promise.all(
  Array.from({ length: calls }, () => recoverCodexImage(recovery).catch(told)),
);
// A busy machine gets more threads than block. The runtime ends idle ones after ten seconds.
const deadline = performance.now() + 30_000;
let more = threads() - before;
while (more >= calls && performance.now() < deadline) {
  await sleep(50);
  more = threads() - before;
}
const outcome = { checks, recoveries, healthy: await checkCodex(healthy) };
console.log(JSON.stringify({ ...outcome, threads: more }));

/** @param {import('../../../../index.js').CodexImageError} error */
function told({ code, message, status, retryable, threadId: thread }) {
  return { code, message, status, retryable, threadId: thread };
}
