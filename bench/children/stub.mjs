#!/usr/bin/env node
// A stub of Codex: starts a thread, prints STUB_EVENTS events spread over STUB_MS, leaves a picture
// and exits. If STUB_GATE names a FIFO, it reads a byte from it before the first event.

import {
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC',
  'base64',
);

const events = Number(process.env['STUB_EVENTS']);
const duration = Number(process.env['STUB_MS']);
const gate = process.env['STUB_GATE'];
const thread = crypto.randomUUID();

if (process.argv[2] !== 'exec') {
  console.log('codex-cli 0.169.0');
  process.exit();
}
readFileSync(0);
// States the sandbox, as Codex does: without that no picture in the store is verified. STUB_RECORD,
// if set, names a record to use instead.
const day = `${process.env['CODEX_HOME']}/sessions/2026/01/01`;
const record = `${day}/rollout-x-${thread}.jsonl`;
mkdirSync(day, { recursive: true });
if (process.env['STUB_RECORD']) renameSync(process.env['STUB_RECORD'], record);
else writeFileSync(record, headOf(process.argv[process.argv.indexOf('--sandbox') + 1]));
emit({ type: 'thread.started', thread_id: thread });
if (gate) readSync(openSync(gate, 'r'), Buffer.alloc(1));
const began = performance.now();
for (let n = 1; n <= events; n += 1) {
  const early = began + (n * duration) / events - performance.now();
  if (early > 0) await sleep(early);
  const text = `Thought ${n} of ${events} about light, colour and composition.`;
  emit({ type: 'item.completed', item: { id: `item_${n}`, type: 'agent_message', text } });
}
const store = `${process.env['CODEX_HOME']}/generated_images/${thread}`;
mkdirSync(store, { recursive: true });
writeFileSync(`${store}/exec-1.png`, PNG);

/** @param {string | undefined} sandbox */
function headOf(sandbox) {
  const payload = { sandbox_policy: { type: sandbox } };
  return `${JSON.stringify({ type: 'turn_context', payload })}\n`;
}

/** @param {object} event */
function emit(event) {
  writeSync(1, `${JSON.stringify(event)}\n`);
}
