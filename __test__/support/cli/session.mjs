// Replaces a terminal's shell on Windows: runs a command, prints its exit code, and waits for
// Enter.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';

// Ctrl-C must reach the command alone.
process.on('SIGINT', () => {});
const { status } = spawnSync(process.execPath, process.argv.slice(2), { stdio: 'inherit' });
console.log(`[exit ${status}]`);
await once(process.stdin, 'data');
process.exit();
