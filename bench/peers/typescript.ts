// What a good engineer writes in a day: plain TypeScript in the daemon's own process. It waits for Codex to exit, as nothing that
// Codex prints says that there is a picture.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

import { inWorkspace, type Order, type Peer, pickUp, wordsFor } from './contract.js';

const TIMEOUT_MS = 600_000;
const GRACE_MS = 2000;
/** With these in its environment Codex bills a key, or has no image tool. */
const BILLING = new Set(['CODEX_API_KEY', 'CODEX_ACCESS_TOKEN', 'OPENAI_API_KEY']);

/** What is said first. */
export const STARTED = 'Codex has started';

/** As far as it is looked at. */
interface Event {
  type: string;
  thread_id?: string;
  message?: string;
  error?: { message: string };
  item?: { type: string; text?: string; command?: string };
}

export const typescript: Peer = (order) =>
  inWorkspace(order, async (workspace) => {
    const { thread, failure } = await run(order, workspace);
    try {
      return await pickUp(order, workspace, thread);
    } catch (error) {
      // Codex may well fail after the picture.
      throw failure ?? error;
    }
  });

async function run(
  order: Order,
  workspace: string,
): Promise<{ thread: string | undefined; failure: Error | undefined }> {
  const { codexPath, env, onProgress } = order;
  const args = ['exec', '--json', '--skip-git-repo-check', '--sandbox', 'workspace-write'];
  const network = ['-c', 'sandbox_workspace_write.network_access=true'];
  const child = spawn(codexPath, [...args, ...network, '-C', workspace], {
    cwd: workspace,
    env: Object.fromEntries(Object.entries(env).filter(([name]) => !BILLING.has(name))),
    // A group of its own, to be stopped as a whole.
    detached: true,
  });
  const closed = once(child, 'close');
  const complaints = text(child.stderr);
  const stop = (signal: NodeJS.Signals) => () => {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  };
  const timers = [
    setTimeout(stop('SIGTERM'), TIMEOUT_MS),
    setTimeout(stop('SIGKILL'), TIMEOUT_MS + GRACE_MS),
  ];

  // Codex may have exited before it has read everything; its exit tells more.
  child.stdin.on('error', () => {});
  child.stdin.end(wordsFor(order, workspace));
  let thread: string | undefined;
  let trouble: string | undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = parsed(line);
    thread ??= event?.thread_id;
    trouble = event?.error?.message ?? trouble;
    const message = event && told(event);
    if (message !== undefined) onProgress?.(message);
  });
  try {
    const [code, signal] = (await closed) as [number | null, NodeJS.Signals | null];
    const end = trouble ?? (await complaints).slice(-2000);
    const failure =
      code === 0 ? undefined : new Error(`Codex ended with ${code ?? signal}: ${end}`);
    return { thread, failure };
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

function parsed(line: string): Event | undefined {
  try {
    return JSON.parse(line) as Event;
  } catch {
    return undefined;
  }
}

function told({ type, message, item }: Event): string | undefined {
  if (type === 'thread.started') return STARTED;
  return message ?? item?.text ?? item?.command;
}
