// The live tasks: rows with their waiters.

import type { MediaTaskError, MediaTaskRow, MediaTaskStatus, TaskDatabase } from './tasks.js';

export interface LiveMediaTask extends MediaTaskRow {
  waiters: Set<() => void>;
  // @edit member
}

export interface MediaTaskSnapshot {
  taskId: string;
  status: MediaTaskStatus;
  startedAt: number;
  endedAt: number | null;
  progress: string[];
  nextSince: number;
  file?: unknown;
  error?: MediaTaskError | null;
}

const MEDIA_TERMINAL_STATUSES = new Set<MediaTaskStatus>(['done', 'failed', 'interrupted']);

export type MediaTaskStore = ReturnType<typeof createMediaTaskStore>;

export function createMediaTaskStore(db: TaskDatabase) {
  const mediaTasks = new Map<string, LiveMediaTask>();

  function hydrateMediaTask(row: MediaTaskRow): LiveMediaTask {
    const task: LiveMediaTask = { ...row, progress: row.progress.slice(), waiters: new Set() };
    mediaTasks.set(task.id, task);
    return task;
  }

  function getLiveMediaTask(id: string): LiveMediaTask | null {
    const live = mediaTasks.get(id);
    if (live) return live;
    const row = db.get(id);
    return row ? hydrateMediaTask(row) : null;
  }

  function createMediaTask(
    id: string,
    projectId: string,
    info: { surface?: string; model?: string } = {},
  ): LiveMediaTask {
    const task: LiveMediaTask = {
      id,
      projectId,
      status: 'queued',
      ...info,
      progress: [],
      file: null,
      error: null,
      startedAt: Date.now(),
      endedAt: null,
      waiters: new Set(),
    };
    mediaTasks.set(id, task);
    persistMediaTask(task);
    return task;
  }

  function persistMediaTask(task: LiveMediaTask): void {
    const { id, projectId, status, surface, model, progress, file, error, startedAt, endedAt } =
      task;
    db.put({ id, projectId, status, surface, model, progress, file, error, startedAt, endedAt });
  }

  function appendTaskProgress(task: LiveMediaTask, line: string): void {
    task.progress.push(line);
    persistMediaTask(task);
    notifyTaskWaiters(task);
  }

  function notifyTaskWaiters(task: LiveMediaTask): void {
    for (const wake of Array.from(task.waiters)) wake();
  }

  function mediaTaskSnapshot(task: LiveMediaTask, since = 0): MediaTaskSnapshot {
    return {
      taskId: task.id,
      status: task.status,
      startedAt: task.startedAt,
      endedAt: task.endedAt,
      progress: task.progress.slice(since),
      nextSince: task.progress.length,
      ...(task.status === 'done' && { file: task.file }),
      ...((task.status === 'failed' || task.status === 'interrupted') && { error: task.error }),
    };
  }

  return {
    mediaTasks,
    hydrateMediaTask,
    getLiveMediaTask,
    createMediaTask,
    persistMediaTask,
    appendTaskProgress,
    notifyTaskWaiters,
    mediaTaskSnapshot,
  };
}

export function isTerminal(status: MediaTaskStatus): boolean {
  return MEDIA_TERMINAL_STATUSES.has(status);
}
// @edit stop
