// A call while something is taken from the process, and what the process holds before and afterwards.

import { descriptors, generate, threads } from './common.mjs';

/** @import { StarvedCall } from '../elsewhere.js' */

/**
 * @param {() => () => void} take Takes it; what it returns gives it back.
 * @returns {Promise<StarvedCall>}
 */
export async function starve(take) {
  const before = { descriptors: descriptors(), threads: threads() };
  const giveBack = take();
  const outcome = await generate();
  giveBack();
  const { code, message } = 'error' in outcome ? outcome.error : { code: null, message: null };
  return {
    code,
    message,
    descriptors: { before: before.descriptors, after: descriptors() },
    threads: { before: before.threads, after: threads() },
  };
}
