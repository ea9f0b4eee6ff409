// For the watchers: draws without an end, and after a restart to the end.

import { existsSync, writeFileSync } from 'node:fs';

import { generateCodexImage } from 'codex-image';

const restarted = existsSync('started');
if (!restarted) writeFileSync('started', '');
const STUB_STEPS = restarted ? 'thread save' : 'thread message tool hang';
const options = { prompt: 'a red fox', env: { ...process.env, STUB_STEPS } };
await generateCodexImage(options, (line) => console.log(line));
console.log('drawn');
