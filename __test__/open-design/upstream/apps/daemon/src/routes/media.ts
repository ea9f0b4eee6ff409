// The media routes: a request is answered 202 with a task's id at once; the task is followed by
// long-polling.

import { randomUUID } from 'node:crypto';

import type { App } from '../http.js';
import { formatMediaTaskDiagnostic } from '../media/diagnostics.js';
import { generateMedia } from '../media/index.js';
import { findMediaModel, IMAGE_MODELS, MEDIA_PROVIDERS } from '../media/models.js';
import { type MediaExecutionPolicy, mediaPolicyDenial } from '../media/policy.js';
import { isTerminal, type MediaTaskStore } from '../media/task-store.js';
import type { MediaTaskError } from '../media/tasks.js';
// @edit import

export interface MediaRoutesDeps {
  PROJECT_ROOT: string;
  PROJECTS_DIR: string;
  mediaTaskStore: MediaTaskStore;
  mediaExecution: () => MediaExecutionPolicy;
}

function mediaProviderId(model: string): string | undefined {
  return findMediaModel(model)?.provider;
}

/** What reaches end users of whatever a renderer throws. */
function mediaTaskErrorFromFailure(err: any): MediaTaskError {
  return {
    message: String(err && err.message ? err.message : err),
    status: typeof err?.status === 'number' ? err.status : 400,
    code: err?.code,
    ...(typeof err?.retryable === 'boolean' ? { retryable: err.retryable } : {}),
  };
}

export function registerMediaRoutes(app: App, ctx: MediaRoutesDeps) {
  const { PROJECT_ROOT, PROJECTS_DIR } = ctx;
  const { createMediaTask, persistMediaTask, appendTaskProgress, notifyTaskWaiters } =
    ctx.mediaTaskStore;
  const { getLiveMediaTask, mediaTaskSnapshot } = ctx.mediaTaskStore;
  const getResolvedPort = () => app.port();
  const isLocalSameOrigin = (req: any, port: number) => req.get('host') === `127.0.0.1:${port}`;

  const handleGenerate = async (req: any, res: any, options: { projectId: string }) => {
    const projectId = options.projectId;
    const { surface, model } = req.body;
    const denial = mediaPolicyDenial(ctx.mediaExecution(), { surface, model });
    if (denial) return res.status(403).json({ error: denial });

    const taskId = randomUUID();
    const task = createMediaTask(taskId, projectId, { surface, model });
    const requestedProviderId = mediaProviderId(model);
    // @edit task
    const diagnosticContext = { taskId, model, providerId: requestedProviderId };
    task.status = 'running';
    persistMediaTask(task);
    generateMedia({
      projectRoot: PROJECT_ROOT,
      projectsRoot: PROJECTS_DIR,
      projectId,
      surface,
      model,
      prompt: req.body.prompt,
      output: req.body.output,
      aspect: req.body.aspect,
      image: req.body.image,
      images: req.body.images,
      onProgress: (line: any) => appendTaskProgress(task, line),
      // @edit signal
    })
      .then((meta: any) => {
        task.status = 'done';
        task.file = meta;
        task.endedAt = Date.now();
        persistMediaTask(task);
        notifyTaskWaiters(task);
        console.error(
          formatMediaTaskDiagnostic({ ...diagnosticContext, event: 'done', status: task.status }),
        );
      })
      .catch((err: any) => {
        task.status = 'failed';
        task.error = mediaTaskErrorFromFailure(err);
        task.endedAt = Date.now();
        persistMediaTask(task);
        notifyTaskWaiters(task);
        console.error(
          formatMediaTaskDiagnostic({
            ...diagnosticContext,
            event: 'failed',
            status: task.error.status,
            code: task.error.code,
            error: task.error.message,
            // @edit detail
          }),
        );
      });
    return res.status(202).json({ taskId, status: task.status, startedAt: task.startedAt });
  };

  app.get('/api/media/models', (_req, res) => {
    res.json({ providers: MEDIA_PROVIDERS, image: IMAGE_MODELS });
  });

  // @edit readiness

  app.post('/api/projects/:id/media/generate', async (req, res) => {
    await handleGenerate(req, res, { projectId: req.params.id });
  });

  app.post('/api/media/tasks/:id/wait', async (req, res) => {
    const task = getLiveMediaTask(req.params.id);
    if (!task) return res.status(404).json({ error: 'task not found' });
    const since = Number.isFinite(req.body?.since) ? Number(req.body.since) : 0;
    const timeoutMs = Math.min(Math.max(Number(req.body?.timeoutMs ?? 25_000), 0), 25_000);
    const respond = () => {
      if (res.writableEnded) return;
      res.json(mediaTaskSnapshot(task, since));
    };
    if (isTerminal(task.status) || task.progress.length > since) return respond();

    let resolved = false;
    const wake = () => {
      if (resolved) return;
      resolved = true;
      task.waiters.delete(wake);
      clearTimeout(timer);
      respond();
    };
    task.waiters.add(wake);
    const timer = setTimeout(wake, timeoutMs);
    // First, so that the closed socket is answered before any later listener looks at it.
    res.on('close', wake);
  });
}
