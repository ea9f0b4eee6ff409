// Reads from an ELF file which glibc it needs.

import { execFileSync } from 'node:child_process';

/** Promised by README and CHANGELOG; the oldest that Rust's std works with. */
export const PROMISED_GLIBC = '2.17';

/**
 * The oldest glibc that has every symbol version which the program needs. Runs `readelf`, which is
 * part of binutils.
 *
 * @param {string} file an ELF program or library
 */
export function glibcFloor(file) {
  const options = { encoding: /** @type {const} */ ('utf8'), env: { ...process.env, LC_ALL: 'C' } };
  const needs = execFileSync('readelf', ['--version-info', '--wide', file], options);
  const names = [...needs.matchAll(/Name: GLIBC_(\S+)/g)].map(([, version = '']) => version);
  // GLIBC_ABI_DT_RELR, for example, needs a feature of the loader, not a symbol.
  const odd = names.find((version) => !/^\d+(\.\d+)+$/.test(version));
  if (odd !== undefined) throw new Error(`${file} needs GLIBC_${odd}, which is no version`);
  const newest = names.toSorted(byVersion).at(-1);
  if (newest === undefined) throw new Error(`${file} needs no glibc at all`);
  return newest;
}

/**
 * Prints the glibc that a file needs, and throws if it is newer than the promised one.
 *
 * @param {string} file
 */
export function assertGlibcFloor(file) {
  const floor = glibcFloor(file);
  console.log(`glibc floor: ${floor} (promised: ${PROMISED_GLIBC})`);
  if (byVersion(floor, PROMISED_GLIBC) > 0) {
    throw new Error(`${file} needs glibc ${floor}`);
  }
}

/**
 * @param {string} a
 * @param {string} b
 */
function byVersion(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}
