// As much of a web framework as the routes use.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

export type Handler = (req: any, res: any) => unknown;

export interface App {
  server: Server;
  port(): number;
  get(path: string, handler: Handler): void;
  post(path: string, handler: Handler): void;
}

export function createApp(): App {
  const routes: { method: string; pattern: RegExp; handler: Handler }[] = [];
  const route = (method: string) => (path: string, handler: Handler) => {
    const pattern = new RegExp(`^${path.replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
    routes.push({ method, pattern, handler });
  };
  const server = createServer(async (req, res) => {
    const path = (req.url ?? '').replace(/\?.*/, '');
    const found = routes.find(({ method, pattern }) => method === req.method && pattern.test(path));
    const reply = Object.assign(res, {
      status: (code: number) => Object.assign(reply, { statusCode: code }),
      json: (body: unknown) => {
        res.setHeader('content-type', 'application/json');
        res.setHeader('connection', 'close');
        res.end(JSON.stringify(body));
      },
    });
    if (!found) return reply.status(404).json({ error: 'not found' });
    const body = req.method === 'POST' ? await json(req) : undefined;
    const params = found.pattern.exec(path)?.groups;
    const get = (name: string) => req.headers[name];
    try {
      await found.handler({ body, params, get }, reply);
    } catch (err) {
      reply.status(500).json({ error: String(err) });
    }
  });
  const port = () => (server.address() as AddressInfo).port;
  return { server, port, get: route('GET'), post: route('POST') };
}
