// A daemon from its start to its end.

import { once } from 'node:events';
import path from 'node:path';

import { createApp } from './http.js';
import type { MediaExecutionPolicy } from './media/policy.js';
import { createMediaTaskStore } from './media/task-store.js';
import { reconcileMediaTasksOnBoot, TaskDatabase } from './media/tasks.js';
import { registerMediaRoutes } from './routes/media.js';
// @edit import

export interface StartServerOptions {
  projectRoot: string;
  mediaExecution: () => MediaExecutionPolicy;
}

export async function startServer({ projectRoot, mediaExecution }: StartServerOptions) {
  const db = new TaskDatabase(path.join(projectRoot, '.od', 'tasks.json'));
  const mediaTaskStore = createMediaTaskStore(db);
  reconcileMediaTasksOnBoot(db);
  for (const row of db.all()) mediaTaskStore.hydrateMediaTask(row);

  const app = createApp();
  const PROJECTS_DIR = path.join(projectRoot, '.od', 'projects');
  registerMediaRoutes(app, {
    PROJECT_ROOT: projectRoot,
    PROJECTS_DIR,
    mediaTaskStore,
    mediaExecution,
  });

  let daemonShutdownStarted = false;
  const shutdownDaemonRuns = async () => {
    if (daemonShutdownStarted) return;
    daemonShutdownStarted = true;
    // @edit stopping
    await shutdownOthers();
    // @edit stopped
  };
  app.server.listen(0, '127.0.0.1');
  await once(app.server, 'listening');
  const url = `http://127.0.0.1:${app.port()}`;
  return {
    url,
    server: app.server,
    shutdown: shutdownDaemonRuns,
    mediaTasks: mediaTaskStore.mediaTasks,
  };
}

/** Runs, terminals, browsers, analytics. */
async function shutdownOthers(): Promise<void> {}
