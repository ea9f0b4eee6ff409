// Writes the events of many stubs (their step `relay`), which then cost almost no processor time.

import { writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Events {
  /** One for each stub. */
  fifos: string[];
  /** For each stub, spread evenly over `ms`. */
  events: number;
  ms: number;
}

process.on('message', (order: Events) => void write(order));

async function write({ fifos, events, ms }: Events): Promise<void> {
  const handles = [];
  // Resolves when the stub has opened its end.
  for (const fifo of fifos) handles.push(await open(fifo, 'w'));
  const written = fifos.map(() => 0);
  const began = performance.now();
  while (written.some((count) => count < events)) {
    await sleep(1);
    const due = ((performance.now() - began) * events) / ms;
    for (const [n, { fd }] of handles.entries()) {
      // Not all at the same moment.
      const upTo = Math.min(events, Math.floor(due + n / fifos.length));
      for (let count = written[n] ?? events; count < upTo; count += 1) {
        writeSync(fd, event(count + 1));
      }
      written[n] = upTo;
    }
  }
  for (const handle of handles) await handle.close();
}

function event(n: number): string {
  const text = `Thought ${n} about light, colour and composition.`;
  const item = { id: `item_${n}`, type: 'agent_message', text };
  return `${JSON.stringify({ type: 'item.completed', item })}\n`;
}
