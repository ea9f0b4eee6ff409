// What the scripts beside this one have in common: the addon, their input, and a look at themselves.

import { readdirSync, readFileSync } from 'node:fs';

import { generateCodexImageDetailed } from '../../../index.js';

/** @import { CodexImageError, GeneratedImage, GenerateOptions } from '../../../index.js' */

/** @type {GenerateOptions} */
export const options = JSON.parse(process.argv[2] ?? '');

/** @returns {Promise<{ image: GeneratedImage } | { error: CodexImageError }>} */
export function generate() {
  return generateCodexImageDetailed(options, () => {}).then(
    (image) => ({ image }),
    (error) => ({ error }),
  );
}

/** A call that fails after a process was started: all that is made once in a process has been made. */
export async function warmUp() {
  await generateCodexImageDetailed({ ...options, codexPath: '/bin/false' }).catch(() => {});
}

export function descriptors() {
  return readdirSync('/proc/self/fd').length;
}

export function threads() {
  return readdirSync('/proc/self/task').length;
}

/** Threads of the addon that each wait for one child. */
export function waiters() {
  return readdirSync('/proc/self/task').filter(isWaiter).length;
}

/** @param {string} thread */
function isWaiter(thread) {
  try {
    // The kernel keeps 15 characters of a name.
    return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').startsWith('codex-image-wai');
  } catch {
    // It has ended since.
    return false;
  }
}

/**
 * @param {'VmRSS' | 'VmHWM'} name
 * @returns {number} in bytes
 */
export function memory(name) {
  const [, kilobytes] =
    new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
