// A client in a process of its own, to be killed: connects to the server that its arguments name,
// and calls the tool.

import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [command = '', ...args] = process.argv.slice(2);
const env = /** @type {Record<string, string>} */ (process.env);
const client = new Client({ name: 'spec', version: '1' });
await client.connect(new StdioClientTransport({ command, args, env }));
await client.callTool({ name: 'generate_image', arguments: { prompt: 'a red fox' } });
