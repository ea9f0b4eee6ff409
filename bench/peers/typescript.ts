// The same without this package, as an engineer would write it in a day: plain TypeScript in the
// daemon's process. It waits for the exit, because no event of Codex reports the picture.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

import { inWorkspace, type Order, type Peer, readImage, promptFor } from './contract.js';

const TIMEOUT_MS = 600_000;
const GRACE_MS = 2000;
/** With these variables Codex bills an API key, or has no image tool. */
const BILLING = new Set(['CODEX_API_KEY', 'CODEX_ACCESS_TOKEN', 'OPENAI_API_KEY']);

/** The first message. */
export const STARTED = 'Codex has started';

/** The fields that are read. */
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
      return await readImage(order, workspace, thread);
    } catch (error) {
      // A failure of Codex after the picture does not matter.
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
    // A process group, which can be stopped as a whole.
    detached: true,
  });
  const closed = once(child, 'close');
  const stderr = text(child.stderr);
  const stop = (signal: NodeJS.Signals) => () => {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  };
  const timers = [
    setTimeout(stop('SIGTERM'), TIMEOUT_MS),
    setTimeout(stop('SIGKILL'), TIMEOUT_MS + GRACE_MS),
  ];

  // EPIPE: Codex exited before it read everything. Its exit says why.
  child.stdin.on('error', () => {});
  child.stdin.end(promptFor(order, workspace));
  let thread: string | undefined;
  let failed: string | undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = parsed(line);
    thread ??= event?.thread_id;
    failed = event?.error?.message ?? failed;
    const message = event && messageOf(event);
    if (message !== undefined) onProgress?.(message);
  });
  try {
    const [code, signal] = (await closed) as [number | null, NodeJS.Signals | null];
    const end = failed ?? (await stderr).slice(-2000);
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

function messageOf({ type, message, item }: Event): string | undefined {
  if (type === 'thread.started') return STARTED;
  return message ?? item?.text ?? item?.command;
}
