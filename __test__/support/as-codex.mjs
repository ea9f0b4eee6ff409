// Windows starts no scripts, so there the stub codex is Node itself. NODE_OPTIONS has every Node of a run load this first; one
// that is given no script of its own was started as Codex. (But for `--version`, which Node answers before it loads anything.)

import { existsSync } from 'node:fs';
import path from 'node:path';

const [, script] = process.argv;
if (script !== undefined && !existsSync(script)) {
  // What it starts is no Codex.
  delete process.env['NODE_OPTIONS'];
  // Node has made a path of Codex's first argument.
  process.argv.splice(1, 1, process.execPath, path.basename(script));
  await import('./stub-codex.mjs');
  // The stub ends by itself; Node must not look for a script.
  await new Promise(() => {});
}
