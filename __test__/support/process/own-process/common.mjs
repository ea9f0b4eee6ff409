// Shared by the scripts in this directory: the addon, their input, and the resources of this
// process.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

import { generateCodexImageDetailed } from '../../../../index.js';

/** @import { CodexImageError, GeneratedImage, GenerateOptions } from '../../../../index.js' */

/** Whether there is a `/proc`, which a test may have hidden. */
const LINUX = process.platform === 'linux' && existsSync('/proc/self');

/** @type {GenerateOptions} */
export const options = JSON.parse(process.argv[2] ?? '');

/** @returns {Promise<{ image: GeneratedImage } | { error: CodexImageError }>} */
export function generate() {
  return generateCodexImageDetailed(options, () => {}).then(
    (image) => ({ image }),
    (error) => ({ error }),
  );
}

/**
 * Returns the part of the outcome that can be printed.
 *
 * @param {Awaited<ReturnType<typeof generate>>} outcome
 */
export function shown(outcome) {
  if ('error' in outcome) {
    const { error } = outcome;
    const { code, message, detail } = error;
    return { error: { code, message, status: error.status, detail } };
  }
  const { png: _png, ...image } = outcome.image;
  return { image };
}

/**
 * Makes a call that fails after a process was started. Makes all that is made once in a process.
 */
export async function warmUp() {
  // Without NODE_OPTIONS, by which it may be a stub, Node fails like `false`.
  const { NODE_OPTIONS: _, ...env } = options.env ?? {};
  const failing = LINUX ? { codexPath: '/bin/false' } : { codexPath: process.execPath, env };
  await generateCodexImageDetailed({ ...options, ...failing }).catch(() => {});
}

export function descriptors() {
  return readdirSync('/dev/fd').length;
}

export function threads() {
  if (LINUX) return readdirSync('/proc/self/task').length;
  // A heading, and a line for each.
  const table = execFileSync('ps', ['-M', '-p', String(process.pid)], { encoding: 'utf8' });
  return table.trimEnd().split('\n').length - 1;
}

/** Threads of the addon that wait for one child each, where threads have names. */
export function waiters() {
  return LINUX ? readdirSync('/proc/self/task').filter(isWaiter).length : 0;
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

/** In bytes. */
export function resident() {
  return LINUX ? status('VmRSS') : process.memoryUsage.rss();
}

/** The peak of the resident memory, on Linux since {@link forgetPeak}, in bytes. */
export function peak() {
  return LINUX ? status('VmHWM') : process.resourceUsage().maxRSS * 1024;
}

/** Resets the peak where that is possible (proc(5)), and returns the current value. */
export function forgetPeak() {
  if (LINUX) writeFileSync('/proc/self/clear_refs', '5');
  return LINUX ? resident() : peak();
}

/** @param {'VmRSS' | 'VmHWM'} name */
function status(name) {
  const [, kilobytes] =
    new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
