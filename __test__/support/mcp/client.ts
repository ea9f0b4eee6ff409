// The official client, connected to the built server in a process of its own.

import { pathToFileURL } from 'node:url';

import {
  type CallToolResult,
  Client,
  type ClientOptions,
  type CallToolRequestOptions,
} from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import { CLI, type CommandEnvironment } from '../cli/command.js';

/** An era of the protocol, and how the client comes to speak it. */
export interface Era {
  version: string;
  versionNegotiation: NonNullable<ClientOptions['versionNegotiation']>;
}

export const OLD: Era = { version: '2025-11-25', versionNegotiation: { mode: 'legacy' } };
export const NEW: Era = {
  version: '2026-07-28',
  versionNegotiation: { mode: { pin: '2026-07-28' } },
};
export const ERAS: readonly Era[] = [OLD, NEW];

export interface Connecting {
  era?: Era;
  /** Arguments after `mcp`. */
  args?: string[];
  /** Directories. By default the client has no roots. */
  roots?: string[];
  cwd?: string;
  /** Another copy of the command. */
  cli?: string;
}

export class McpClient {
  private constructor(
    readonly client: Client,
    readonly transport: StdioClientTransport,
  ) {}

  static async connect(
    { env, scratch }: CommandEnvironment,
    { era = NEW, args = [], roots, cwd = scratch, cli = CLI }: Connecting = {},
  ): Promise<McpClient> {
    const capabilities = roots === undefined ? {} : { roots: {} };
    const client = new Client(
      { name: 'spec', version: '1' },
      { capabilities, versionNegotiation: era.versionNegotiation },
    );
    if (roots !== undefined) {
      const uris = roots.map((at) => pathToFileURL(at).href);
      client.setRequestHandler('roots/list', () => ({ roots: uris.map((uri) => ({ uri })) }));
    }
    const command = { command: process.execPath, args: [cli, 'mcp', ...args], env, cwd };
    const transport = new StdioClientTransport(command);
    await client.connect(transport);
    return new McpClient(client, transport);
  }

  call(
    name: string,
    args: Record<string, unknown> = {},
    options?: CallToolRequestOptions,
  ): Promise<CallToolResult> {
    return this.client.callTool({ name, arguments: args }, options);
  }

  /** Closes the server's stdin, and resolves when it has exited. */
  close(): Promise<void> {
    return this.client.close();
  }
}

/** Closes the client when `use` has settled. */
export async function withClient<T>(
  commandEnv: CommandEnvironment,
  connecting: Connecting,
  use: (client: McpClient) => Promise<T>,
): Promise<T> {
  const client = await McpClient.connect(commandEnv, connecting);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** The images and failures of a result. */
export function dataOf(result: CallToolResult): {
  images: Record<string, unknown>[];
  failures: Record<string, unknown>[];
} {
  return result.structuredContent as ReturnType<typeof dataOf>;
}

/** The text of a result. */
export function textOf({ content }: CallToolResult): string {
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('\n');
}
