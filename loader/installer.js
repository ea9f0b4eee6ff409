// Recognises the package manager by what it leaves in node_modules.

'use strict';

const { existsSync } = require('node:fs');
const path = require('node:path');

/** Paths in node_modules, and the commands that install a missing optional dependency. */
const MARKS = Object.entries({
  '.package-lock.json': 'npm install --include=optional',
  '.modules.yaml': 'pnpm install --optional',
  '.yarn-integrity': 'yarn install --force',
  '.yarn-state.yml': 'yarn install',
  '.bun': 'bun install',
  '../bun.lock': 'bun install',
  '.deno': 'deno install',
});

/**
 * Returns the command that installs anew what lies in `directory`. Undefined if it is not known, as
 * for global packages and bundled programs.
 *
 * @param {string} directory
 * @param {NodeJS.ProcessVersions} versions of the process
 */
exports.installCommand = (directory, versions = process.versions) => {
  // Yarn's Plug'n'Play has no node_modules.
  if ('pnp' in versions) return 'yarn install';
  for (let at = directory; at !== path.dirname(at); at = path.dirname(at)) {
    if (path.basename(at) !== 'node_modules') continue;
    const found = MARKS.find(([mark]) => existsSync(path.join(at, mark)));
    if (found !== undefined) return found[1];
  }
  return undefined;
};
