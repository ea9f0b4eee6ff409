// Directories that tests, benchmarks and the demo give to Codex. Uses Node's own modules alone,
// because emulated Nodes run it too.

import { mkdirSync, mkdtempSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const IN_CHECKOUT = fileURLToPath(new URL('../../.cache/homes', import.meta.url));
const WINDOWS = process.platform === 'win32';
/** The user's home before a test sets HOME, if there is one. */
const USER_HOME = (() => {
  try {
    return homedir();
  } catch {
    return undefined;
  }
})();

/**
 * Makes a directory for the caller, who removes it. It lies outside of every temporary directory:
 * the agent's sandboxed shell may write to those, so nothing below one is `verified`, and Codex
 * keeps no sandbox helper there.
 *
 * @returns {string}
 */
export function makeHomeDirectory() {
  const prefixes = [path.join(IN_CHECKOUT, 'home-')];
  if (USER_HOME !== undefined) prefixes.push(path.join(USER_HOME, '.codex-image-home-'));
  for (const prefix of prefixes) {
    try {
      const parent = path.dirname(prefix);
      if (parent === IN_CHECKOUT) mkdirSync(parent, { recursive: true });
      if (isSuitable(parent)) return mkdtempSync(prefix);
    } catch {
      // It is missing, or cannot be written.
    }
  }
  throw new Error(
    'There is no place for the home of a test: neither this checkout nor your home directory is ' +
      `one that only you can write to, outside of ${temporaryDirectories().join(', ')}. ` +
      `Set ${WINDOWS ? 'USERPROFILE' : 'HOME'} to a directory that is.`,
  );
}

/**
 * Names in a directory for temporary files that was empty before the calls, without those that
 * Codex itself never removes. It compares no prefix, because a check for one that has changed finds
 * nothing.
 *
 * @param {string} directory
 * @returns {string[]}
 */
export function leftIn(directory) {
  return readdirSync(directory).filter((name) => !/^codex-(daemon|bwrap)-/.test(name));
}

/** @param {string} directory */
function isSuitable(directory) {
  const real = withoutLinks(directory);
  return isPrivate(real) && !temporaryDirectories().some((root) => isWithin(real, root));
}

/** Directories that Codex or this package counts as writable by the agent. */
function temporaryDirectories() {
  const macos = process.platform === 'darwin' ? ['/var/folders'] : [];
  const named = WINDOWS ? [] : ['/tmp', '/var/tmp', ...macos];
  return [...new Set([tmpdir(), ...named].map(withoutLinks))];
}

/** @param {string} directory */
function withoutLinks(directory) {
  try {
    return realpathSync.native(directory);
  } catch {
    return path.resolve(directory);
  }
}

/**
 * @param {string} directory
 * @param {string} root
 */
function isWithin(directory, root) {
  const way = path.relative(root, directory);
  return way === '' || !(way === '..' || way.startsWith(`..${path.sep}`) || path.isAbsolute(way));
}

/**
 * Whether no other user can exchange entries of the directory, which this package would refuse for
 * its run directories (`exposure` in src/files).
 *
 * @param {string} directory without links
 */
function isPrivate(directory) {
  const us = process.getuid?.();
  if (us === undefined) return true;
  // In a user namespace root has another number.
  const trusted = new Set([0, us, statSync('/').uid]);
  for (let at = directory; ; at = path.dirname(at)) {
    const { uid, mode } = statSync(at);
    const isSticky = (mode & 0o1000) !== 0;
    if (!trusted.has(uid) || ((mode & 0o002) !== 0 && !isSticky)) return false;
    if (at === path.dirname(at)) return true;
  }
}
