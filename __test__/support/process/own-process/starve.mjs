// Makes a call while the process lacks a resource, and compares what it holds before and
// afterwards.

import { setTimeout as sleep } from 'node:timers/promises';

import { descriptors, generate, waiters } from './common.mjs';

/** @import { StarvedCall } from '../own-process.js' */

/**
 * @param {() => () => void} take Takes it; what it returns gives it back.
 * @returns {Promise<StarvedCall>}
 */
export async function starve(take) {
  const before = descriptors();
  const giveBack = take();
  const outcome = await generate();
  giveBack();
  const { code, message } = 'error' in outcome ? outcome.error : { code: null, message: null };
  // The thread that waits for a child ends a moment after the child.
  while (waiters() > 0) await sleep(5);
  return { code, message, descriptors: { before, after: descriptors() } };
}
