import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { CACHE } from './fetch.mjs';

/**
 * Writes an executable script that runs a command with further arguments.
 *
 * @param {string} name
 * @param {string[]} command
 */
export function launcher(name, command) {
  const file = path.join(CACHE, `start-${name}`);
  const words = command.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`);
  writeFileSync(file, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}
