// Runs the stub where scripts cannot be started, as on Windows. NODE_OPTIONS makes every Node load
// this first: without a script to run it was started as Codex. (Node answers `--version` before.)

import { existsSync } from 'node:fs';
import path from 'node:path';

const [, script] = process.argv;
if (script !== undefined && !existsSync(script)) {
  // The processes that it starts are no Codex.
  delete process.env['NODE_OPTIONS'];
  // Node has resolved Codex's first argument to a path.
  process.argv.splice(1, 1, process.execPath, path.basename(script));
  await import('./stub-codex.mjs');
  // The stub exits by itself. Node must not look for a script.
  await new Promise(() => {});
}
