// The MCP server of `codex-image mcp`. Built to a file of its own, `dist/mcp.mjs`, because only
// this command needs the SDK.

import { McpServer } from '@modelcontextprotocol/server';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';

import { version } from './help.mjs';
import { Calls } from './mcp/calls.mjs';
import { addTools, type Settings } from './mcp/tools.mjs';

/** Serves the client on stdin and stdout until it closes the connection or `signal` aborts. */
export async function serveMcp(settings: Settings, signal: AbortSignal): Promise<void> {
  const connection = new Connection();
  const calls = new Calls();
  const server = serveStdio(
    () => {
      const mcp = new McpServer(
        { name: 'codex-image', title: 'codex-image', version: version() },
        { instructions: INSTRUCTIONS, inputRequired: { roundTimeoutMs: ROOTS_MS } },
      );
      addTools(mcp, settings, calls);
      return mcp;
    },
    { transport: connection },
  );
  const stop = () => void server.close();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  await connection.ended;
  // Clients that close the connection send signals soon afterwards.
  const wasStopped = signal.aborted;
  // Closing has aborted the calls. Each still stops its processes and removes its files.
  await calls.settled();
  if (wasStopped) throw signal.reason;
}

/** Time limit for the answer of an older client to `roots/list`, which takes no user. */
const ROOTS_MS = 10_000;

const INSTRUCTIONS =
  'Draws pictures with the Codex CLI of the user, who is signed in with ChatGPT. Every picture ' +
  "takes about a minute and counts against the user's plan: draw what the user has asked for, and " +
  'no variants on your own. After a timeout, call recover_image before you draw again.';

class Connection extends StdioServerTransport {
  /** Resolves when the client has gone or the server was closed. */
  readonly ended: Promise<void>;
  readonly #end: () => void;

  constructor() {
    super();
    let end: () => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }

  override async close(): Promise<void> {
    await super.close();
    this.#end();
  }
}
