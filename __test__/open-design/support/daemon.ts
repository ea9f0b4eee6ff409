// Open Design's daemon, as far as a picture sees of it: a request is answered 202 with a task's id at once, the task is followed by
// long-polling, and whoever goes away or shuts down ends what was running.

import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

import { renderCodexCliImage, type RenderOverrides } from '../../../dist/open-design.mjs';
import {
  generateMedia,
  IMAGE_MODELS,
  type MediaExecution,
  type MediaFile,
  mediaPolicyDenial,
  type MediaRequest,
} from './dispatcher.js';

export interface TaskError {
  message: string;
  status: number;
  code?: string;
  retryable?: boolean;
}

/** A task as its followers see it. */
export interface TaskView {
  taskId: string;
  status: 'running' | 'done' | 'failed';
  /** The lines after those that the follower has. */
  progress: string[];
  nextSince: number;
  file?: MediaFile;
  error?: TaskError;
}

export interface DaemonOptions {
  /** Where the project's files lie. */
  project: string;
  /** What the daemon's resolvers say; asked for each request, as the settings may have changed. */
  overrides: () => RenderOverrides;
  mediaExecution?: MediaExecution;
  /** The package's renderer, where it is another copy of it. */
  render?: typeof renderCodexCliImage;
}

/** Why a run is stopped, in the form in which the task's route copies it. */
function stopped(code: string, status: number, message: string): Error {
  return Object.assign(new Error(message), { code, status });
}

export const CLIENT_GONE = stopped('CLIENT_GONE', 499, 'Nobody waits for the picture any more.');
export const STOPPING = stopped('DAEMON_STOPPING', 503, 'Open Design is shutting down.');

class Task {
  readonly id = randomUUID();
  readonly progress: string[] = [];
  /** When each line came, by `performance.now()`. */
  readonly times: number[] = [];
  readonly abort = new AbortController();
  readonly news = new EventEmitter().setMaxListeners(0);
  status: TaskView['status'] = 'running';
  file: MediaFile | undefined;
  error: TaskError | undefined;
  followers = 0;
  over: Promise<void> = Promise.resolve();

  say(line: string): void {
    this.progress.push(line);
    this.times.push(performance.now());
    this.news.emit('news');
  }

  run(generation: Promise<MediaFile>): void {
    this.over = this.#run(generation);
  }

  async #run(generation: Promise<MediaFile>): Promise<void> {
    try {
      this.file = await generation;
      this.status = 'done';
    } catch (error) {
      this.error = taskError(error);
      this.status = 'failed';
    }
    this.news.emit('news');
  }

  view(since: number): TaskView {
    return {
      taskId: this.id,
      status: this.status,
      progress: this.progress.slice(since),
      nextSince: this.progress.length,
      ...(this.file && { file: this.file }),
      ...(this.error && { error: this.error }),
    };
  }
}

/** What reaches end users of whatever a renderer throws. */
function taskError(thrown: unknown): TaskError {
  const { message, status, code, retryable } = Object(thrown) as Partial<TaskError>;
  return {
    message: String(message ?? thrown),
    status: typeof status === 'number' ? status : 400,
    ...(code !== undefined && { code }),
    ...(retryable !== undefined && { retryable }),
  };
}

export class MediaDaemon {
  readonly #server: Server;
  readonly #tasks = new Map<string, Task>();
  #options: DaemonOptions;
  #stopped: Promise<void> | undefined;

  private constructor(options: DaemonOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(options: DaemonOptions): Promise<MediaDaemon> {
    const daemon = new MediaDaemon(options);
    daemon.#server.listen(0, '127.0.0.1');
    await once(daemon.#server, 'listening');
    return daemon;
  }

  get origin(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  /** What changes while the daemon runs. */
  configure(options: Partial<DaemonOptions>): void {
    this.#options = { ...this.#options, ...options };
  }

  /** The task itself, for what its followers cannot see. */
  task(id: string): Task {
    const task = this.#tasks.get(id);
    if (task === undefined) throw new Error(`there is no task ${id}`);
    return task;
  }

  /** Ends what runs, and only then the server. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const tasks = [...this.#tasks.values()];
    for (const { abort } of tasks) abort.abort(STOPPING);
    await Promise.all(tasks.map(({ over }) => over));
    // Whoever still follows is answered now, and each answer closes its connection.
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin);
    const [, , media, what, id] = url.pathname.split('/');
    if (media !== 'media') return answer(response, 404, {});
    if (what === 'models') return answer(response, 200, { image: IMAGE_MODELS });
    if (what === 'generate') return this.#generate((await json(request)) as MediaRequest, response);
    return this.#wait(this.task(id ?? ''), Number(url.searchParams.get('since')), response);
  }

  #generate(request: MediaRequest, response: ServerResponse): void {
    const { project, overrides, mediaExecution, render = renderCodexCliImage } = this.#options;
    const denial = mediaPolicyDenial(mediaExecution ?? { mode: 'enabled' }, request);
    if (denial) return answer(response, 403, { error: denial });
    const task = new Task();
    this.#tasks.set(task.id, task);
    const generation = generateMedia({
      ...request,
      project,
      render,
      overrides: { ...overrides(), signal: task.abort.signal },
      onProgress: (line) => task.say(line),
    });
    task.run(generation);
    answer(response, 202, { taskId: task.id, status: task.status });
  }

  /** Answers when there is something new. A follower that leaves before was the last one, or there is another. */
  async #wait(task: Task, since: number, response: ServerResponse): Promise<void> {
    task.followers += 1;
    response.once('close', () => {
      task.followers -= 1;
      if (!response.writableEnded && task.followers === 0) task.abort.abort(CLIENT_GONE);
    });
    while (task.status === 'running' && task.progress.length <= since) {
      await once(task.news, 'news');
    }
    answer(response, 200, task.view(since));
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(body));
}
