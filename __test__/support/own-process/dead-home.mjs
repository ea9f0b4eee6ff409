// Many calls for a home whose disk does not answer, and then one for a home that does.

import { readdirSync } from 'node:fs';

import { checkCodex, recoverCodexImage } from '../../../index.js';

const { dead, healthy, threadId, calls } = JSON.parse(process.argv[2] ?? '');
const threads = () => readdirSync('/proc/self/task').length;

// The first call starts the runtime's own threads.
await checkCodex(healthy);
const before = threads();
const recovery = { threadId, codexHome: dead.codexHome, env: dead.env };
const checks = await Promise.all(Array.from({ length: calls }, () => checkCodex(dead)));
// By now the disk is dead for certain: before that it answers, and a recovery finds no picture.
const recoveries = await Promise.all(
  Array.from({ length: calls }, () => recoverCodexImage(recovery).catch(told)),
);
const outcome = { checks, recoveries, healthy: await checkCodex(healthy) };
console.log(JSON.stringify({ ...outcome, threads: threads() - before }));

/** @param {import('../../../index.js').CodexImageError} error */
function told({ code, message, status, retryable, threadId: thread }) {
  return { code, message, status, retryable, threadId: thread };
}
