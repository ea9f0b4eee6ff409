// The name of the platform that the addon has to be built for.

'use strict';

const { readFileSync } = require('node:fs');

/** The C library of musl, under the names that distributions give to its file. */
const MUSL = /\/(?:ld-musl-[^/]*|libc\.so)$/m;

/**
 * Returns a platform such as `linux-x64-gnu`, as in the names of the platforms' packages.
 *
 * @param {{ platform: string, arch: string }} process
 * @param {() => string} mapped returns a list of the files that the process has mapped, on Linux
 */
exports.platformOf = ({ platform, arch }, mapped = readMaps) => {
  switch (platform) {
    case 'linux':
      return `linux-${arch}-${MUSL.test(mapped()) ? 'musl' : 'gnu'}`;
    case 'win32':
      return `win32-${arch}-msvc`;
    default:
      return `${platform}-${arch}`;
  }
};

/** The libraries of this Node. `process.report` has them as well, but can take seconds. */
function readMaps() {
  try {
    return readFileSync('/proc/self/maps', 'latin1');
  } catch {
    // Deno forbids it. It is built for glibc only.
    return '';
  }
}
