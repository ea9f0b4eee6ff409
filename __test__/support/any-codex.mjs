// A Codex for every platform: Node itself. NODE_OPTIONS has it do this before it looks at its arguments, which are Codex's.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';

const { ANY_CODEX_DESK: desk = '', ANY_CODEX_DOES: does, CODEX_HOME: home = '' } = process.env;
// What it starts is no Codex.
delete process.env['NODE_OPTIONS'];

// As Codex does: nothing before the end of stdin.
const prompt = await buffer(process.stdin);
const thread = randomUUID();
// The head of the record, which states the sandbox that the command line asks for.
const day = path.join(home, 'sessions', '2026', '01', '01');
const policy = { type: process.argv[process.argv.indexOf('--sandbox') + 1] };
mkdirSync(day, { recursive: true });
const context = { type: 'turn_context', payload: { sandbox_policy: policy } };
writeFileSync(path.join(day, `rollout-x-${thread}.jsonl`), `${JSON.stringify(context)}\n`);
process.stdout.write(`${JSON.stringify({ type: 'thread.started', thread_id: thread })}\n`);
if (does === 'draw') {
  const store = path.join(home, 'generated_images', thread);
  mkdirSync(store, { recursive: true });
  // The picture is whatever the prompt holds of it.
  const [, base64 = ''] = /<([\w+/=]{40,})>/.exec(prompt.toString()) ?? [];
  writeFileSync(path.join(store, 'call_1.png'), Buffer.from(base64, 'base64'));
} else if (does === 'hang') {
  const args = ['-e', 'setInterval(() => {}, 1000)'];
  const { pid } = spawn(process.execPath, args, { stdio: 'inherit' });
  writeFileSync(path.join(desk, 'writing'), String(pid));
  renameSync(path.join(desk, 'writing'), path.join(desk, 'grandchild'));
  await new Promise(() => setInterval(() => {}, 1000));
}
process.exit(0);
