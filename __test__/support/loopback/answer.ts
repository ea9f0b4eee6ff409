// oxlint-disable no-await-in-loop -- scripts and streams go step by step.

import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

import type { Failure } from './failures.js';
import { type Item, message } from './items.js';

/** The tokens that each answer of the model reports. */
export const USAGE = {
  input_tokens: 1_000,
  input_tokens_details: null,
  output_tokens: 100,
  output_tokens_details: null,
  total_tokens: 1_100,
};

/** Resolves when the system has taken the last byte. */
export function answerJson(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): Promise<void> {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  return new Promise((resolve) => {
    response.end(JSON.stringify(body), () => resolve());
  });
}

export async function answerFailure(response: ServerResponse, failure: Failure): Promise<void> {
  if (failure === 'disconnect') response.destroy();
  else await answerJson(response, failure.status, failure.body, failure.headers);
}

/** One answer of the model, as server-sent events. */
export class ModelAnswer {
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;
  readonly #id = `resp_${randomUUID()}`;
  #outputs = 0;

  /** The signal ends all waits when the client has left. */
  constructor(response: ServerResponse, signal: AbortSignal) {
    this.#response = response;
    this.#signal = signal;
  }

  async pause(ms: number): Promise<void> {
    await delay(Math.max(0, ms), undefined, { signal: this.#signal });
  }

  /** Sends a whole item. Resolves when the system has taken its last byte. */
  async item(item: Item): Promise<void> {
    await (await this.begin(item)).finish(item);
  }

  /** Announces an item that takes some time. */
  async begin(item: Item): Promise<{ finish: (item: Item) => Promise<void>; place: object }> {
    const output_index = this.#outputs++;
    const begun = { ...item, status: 'in_progress' };
    await this.#send('response.output_item.added', { output_index, item: begun });
    return {
      place: { item_id: item.id, output_index },
      finish: (whole) => this.#send('response.output_item.done', { output_index, item: whole }),
    };
  }

  /** Sends a message whose words arrive evenly over that time. */
  async trickle(text: string, ms: number): Promise<void> {
    const item = message(text);
    const { place, finish } = await this.begin({ ...item, content: [] });
    const words = text.match(/\S+\s*/g) ?? [];
    for (const delta of words) {
      await this.pause(ms / words.length);
      await this.#send('response.output_text.delta', { ...place, content_index: 0, delta });
    }
    await finish(item);
  }

  /** Ends the answer. `goOn` makes the CLI call again although it has no tool output. */
  async complete({ goOn = false } = {}): Promise<void> {
    const response = { id: this.#id, usage: USAGE, ...(goOn && { end_turn: false }) };
    await this.#send('response.completed', { response });
    this.#response.end();
  }

  /** Sends a failure: an HTTP status if nothing was sent yet, else an event. */
  async fail(failure: Failure): Promise<void> {
    if (failure === 'disconnect' || !this.#response.headersSent) {
      await answerFailure(this.#response, failure);
      return;
    }
    const { body } = failure;
    const error = 'error' in body ? body.error : { code: null, message: body.detail };
    await this.#send('response.failed', { response: { id: this.#id, status: 'failed', error } });
    this.#response.end();
  }

  /** Sends the headers with the first event, so that a script can still begin with a failure. */
  async #send(type: string, data: object): Promise<void> {
    this.#signal.throwIfAborted();
    if (!this.#response.headersSent) {
      this.#response.writeHead(200, { 'content-type': 'text/event-stream' });
      await this.#send('response.created', { response: { id: this.#id } });
    }
    const event = `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
    await new Promise<void>((resolve) => {
      this.#response.write(event, () => resolve());
    });
  }
}
