// The other side of the daemon: what `od media generate` and the web app do.

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';

import { expect } from 'vitest';

import type { TaskView } from './daemon.js';
import type { MediaRequest, Refusal } from './dispatcher.js';

export interface Answer<T> {
  status: number;
  body: T;
}

export class Client {
  constructor(private readonly origin: string) {}

  /** Asks for a picture; the answer comes before it is drawn. */
  generate(
    body: Partial<MediaRequest> = {},
  ): Promise<Answer<{ taskId: string; status: string; error?: Refusal }>> {
    const asked = { surface: 'image', model: 'codex-image-gen', prompt: 'a red fox', ...body };
    return this.#call('POST', '/api/media/generate', { body: asked });
  }

  /** Asks for a picture that nothing speaks against. */
  async start(body?: Partial<MediaRequest>): Promise<string> {
    const answer = await this.generate(body);
    expect(answer).toMatchObject({ status: 202, body: { status: 'running' } });
    return answer.body.taskId;
  }

  /** What is new of a task, as soon as there is something. */
  async wait(taskId: string, since: number, signal?: AbortSignal): Promise<TaskView> {
    const path = `/api/media/tasks/${taskId}?since=${since}`;
    return (await this.#call<TaskView>('GET', path, { signal })).body;
  }

  /** The task when it is over, with all of its lines. */
  async follow(taskId: string): Promise<TaskView> {
    const progress: string[] = [];
    for (;;) {
      const view = await this.wait(taskId, progress.length);
      progress.push(...view.progress);
      if (view.status !== 'running') return { ...view, progress };
    }
  }

  /** Asks for a picture and follows it to its end. */
  async draw(body?: Partial<MediaRequest>): Promise<TaskView> {
    return this.follow(await this.start(body));
  }

  models(): Promise<Answer<{ image: { id: string; default?: boolean }[] }>> {
    return this.#call('GET', '/api/media/models', {});
  }

  async #call<T>(
    method: string,
    path: string,
    { body, signal }: { body?: object; signal?: AbortSignal | undefined },
  ): Promise<Answer<T>> {
    // No agent: a connection that is kept alive would count as left behind.
    const asking = request(`${this.origin}${path}`, { method, agent: false, signal });
    asking.end(body === undefined ? '' : JSON.stringify(body));
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    return { status: response.statusCode ?? 0, body: (await json(response)) as T };
  }
}
