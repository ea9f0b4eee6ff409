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

/**
 * @param {'VmRSS' | 'VmHWM'} name
 * @returns {number} in bytes
 */
export function memory(name) {
  const [, kilobytes] =
    new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
