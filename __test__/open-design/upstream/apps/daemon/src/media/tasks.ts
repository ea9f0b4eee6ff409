// The rows of media tasks. A JSON file stands in for the database: written synchronously, read at
// the start.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export type MediaTaskStatus = 'queued' | 'running' | 'done' | 'failed' | 'interrupted';

export interface MediaTaskError {
  message: string;
  status?: number;
  code?: string;
  retryable?: boolean;
}

export interface MediaTaskRow {
  id: string;
  projectId: string;
  status: MediaTaskStatus;
  surface?: string | undefined;
  model?: string | undefined;
  progress: string[];
  file: unknown;
  error: MediaTaskError | null;
  startedAt: number;
  endedAt: number | null;
}

export class TaskDatabase {
  readonly #file: string;
  readonly #rows: Record<string, MediaTaskRow>;

  constructor(file: string) {
    this.#file = file;
    this.#rows = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  }

  get(id: string): MediaTaskRow | undefined {
    return this.#rows[id];
  }

  put(row: MediaTaskRow): void {
    this.#rows[row.id] = structuredClone(row);
    writeFileSync(this.#file, JSON.stringify(this.#rows));
  }

  all(): MediaTaskRow[] {
    return Object.values(this.#rows);
  }
}

/** What a daemon that ended without a word left behind. */
export function reconcileMediaTasksOnBoot(db: TaskDatabase): void {
  const error = {
    message: 'media task interrupted by daemon restart',
    status: 5,
    code: 'DAEMON_RESTART',
  };
  for (const row of db.all()) {
    if (row.status !== 'queued' && row.status !== 'running') continue;
    db.put({ ...row, status: 'interrupted', error, endedAt: Date.now() });
  }
}
