// Prints its process ID and starts the stub once: through the addon, or with Node's `spawn`. Plain
// JavaScript, because a compiler would start processes of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';

/** @type {import('../../index.js')} */
const { generateCodexImage } = createRequire(import.meta.url)('../../index.js');
console.log(process.pid);
const [way, stub = ''] = process.argv.slice(2);

if (way === 'ours') await generateCodexImage({ prompt: 'a red fox', codexPath: stub });
else await once(spawn(stub, ['exec'], { stdio: ['ignore', 'ignore', 'inherit'] }), 'close');
