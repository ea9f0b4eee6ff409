// The client of the daemon: what `od media generate`, `od media wait` and the web app do.

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';

import { expect } from 'vitest';

import type { MediaTaskSnapshot } from '../upstream/apps/daemon/src/media/task-store.js';

/** The request of `od media generate`. */
export interface MediaRequest {
  surface: string;
  model: string;
  prompt?: string;
  aspect?: string;
  output?: string;
  /** Paths in the project. */
  image?: string;
  images?: string[];
}

/** The answer to a request. */
export interface MediaFile {
  name: string;
  size: number;
  mime: string;
  model: string;
  providerId: string;
  providerNote: string;
  usedStubFallback: boolean;
}

/** A task as its clients see it. */
export type TaskView = Omit<MediaTaskSnapshot, 'file'> & { file?: MediaFile };

export interface Answer<T> {
  status: number;
  body: T;
}

export class Client {
  static readonly PROJECT = 'project-1';

  constructor(private readonly origin: string) {}

  /** Requests an image. The answer comes before it is drawn. */
  generate(
    body: Partial<MediaRequest> = {},
  ): Promise<Answer<{ taskId: string; status: string; error?: { code: string } }>> {
    const asked = { surface: 'image', model: 'codex-image-gen', prompt: 'a red fox', ...body };
    return this.#call('POST', `/api/projects/${Client.PROJECT}/media/generate`, { body: asked });
  }

  /** Requests an image, and asserts that the request is accepted. */
  async start(body?: Partial<MediaRequest>): Promise<string> {
    const answer = await this.generate(body);
    expect(answer).toMatchObject({ status: 202, body: { status: 'running' } });
    return answer.body.taskId;
  }

  /** Resolves with what is new of a task. */
  async wait(taskId: string, since: number, signal?: AbortSignal): Promise<TaskView> {
    const path = `/api/media/tasks/${taskId}/wait`;
    return (await this.#call<TaskView>('POST', path, { body: { since }, signal })).body;
  }

  /** Resolves with the finished task and all its lines. */
  async follow(taskId: string, signal?: AbortSignal): Promise<TaskView> {
    const progress: string[] = [];
    for (;;) {
      const view = await this.wait(taskId, progress.length, signal);
      progress.push(...view.progress);
      if (view.status !== 'running') return { ...view, progress };
    }
  }

  /** Requests an image, and resolves with the finished task. */
  async draw(body?: Partial<MediaRequest>): Promise<TaskView> {
    return this.follow(await this.start(body));
  }

  models(): Promise<Answer<{ image: { id: string; default?: boolean }[] }>> {
    return this.#call('GET', '/api/media/models', {});
  }

  readiness(): Promise<Answer<{ ready: boolean; problems: { code: string; fix: string }[] }>> {
    return this.#call('GET', '/api/media/providers/codex-cli/readiness', {});
  }

  async #call<T>(
    method: string,
    path: string,
    { body, signal }: { body?: object; signal?: AbortSignal | undefined },
  ): Promise<Answer<T>> {
    // Without an agent: a connection kept alive would count as left behind.
    const asking = request(`${this.origin}${path}`, { method, agent: false, signal });
    asking.end(body === undefined ? '' : JSON.stringify(body));
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    return { status: response.statusCode ?? 0, body: (await json(response)) as T };
  }
}
