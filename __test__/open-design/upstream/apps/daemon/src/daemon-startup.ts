import type { Server } from 'node:http';

import { startServer, type StartServerOptions } from './server.js';

export async function startDaemonRuntime(options: StartServerOptions) {
  const started = await startServer(options);
  const stop = async () => {
    const closing = closeHttpServer(started.server);
    const shutdown = started.shutdown();
    await Promise.allSettled([shutdown, closing]);
  };
  return { ...started, stop };
}

/** Waits for the requests under way, but not for long. */
function closeHttpServer(server: Server, closeTimeoutMs = 5_000): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      server.closeAllConnections();
      resolve();
    }, closeTimeoutMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
