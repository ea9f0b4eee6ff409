// Makes many calls for a home on a dead disk, and then one for a home that answers.

import { readdirSync } from 'node:fs';

import { checkCodex, recoverCodexImage } from '../../../../index.js';

const { dead, healthy, threadId, calls } = JSON.parse(process.argv[2] ?? '');
const threads = () => readdirSync('/proc/self/task').length;

// The first call starts the runtime's threads.
await checkCodex(healthy);
const before = threads();
const recovery = { threadId, codexHome: dead.codexHome, env: dead.env };
const checks = await Promise.all(Array.from({ length: calls }, () => checkCodex(dead)));
// The disk is certainly dead now: before that it answers, and a recovery finds no image.
const recoveries = await Promise.all(
  Array.from({ length: calls }, () => recoverCodexImage(recovery).catch(told)),
);
const outcome = { checks, recoveries, healthy: await checkCodex(healthy) };
console.log(JSON.stringify({ ...outcome, threads: threads() - before }));

/** @param {import('../../../../index.js').CodexImageError} error */
function told({ code, message, status, retryable, threadId: thread }) {
  return { code, message, status, retryable, threadId: thread };
}
