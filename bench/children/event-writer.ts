// A process that does the talking for many stubs (stub-fifo.sh), so that each of them costs next to nothing.

import { writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Speech {
  /** The FIFOs of all stubs. */
  voices: string[];
  /** By each of them, evenly over that time. */
  events: number;
  ms: number;
}

process.on('message', (speech: Speech) => void speak(speech));

async function speak({ voices, events, ms }: Speech): Promise<void> {
  const handles = [];
  // A stub has opened its end when this resolves.
  for (const voice of voices) handles.push(await open(voice, 'w'));
  const said = voices.map(() => 0);
  const began = performance.now();
  while (said.some((count) => count < events)) {
    await sleep(1);
    const due = ((performance.now() - began) * events) / ms;
    for (const [n, { fd }] of handles.entries()) {
      // They do not speak in chorus.
      const upTo = Math.min(events, Math.floor(due + n / voices.length));
      for (let count = said[n] ?? events; count < upTo; count += 1) writeSync(fd, event(count + 1));
      said[n] = upTo;
    }
  }
  for (const handle of handles) await handle.close();
}

function event(n: number): string {
  const text = `Thought ${n} about light, colour and composition.`;
  const item = { id: `item_${n}`, type: 'agent_message', text };
  return `${JSON.stringify({ type: 'item.completed', item })}\n`;
}
