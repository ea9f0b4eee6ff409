// A stub of OpenAI's backend on the loopback interface, for the real Codex CLI.
// oxlint-disable no-await-in-loop -- scripts and streams go step by step.

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { type Server, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

import { ModelAnswer, answerFailure, answerJson } from './answer.js';
import { type Certificate, makeCertificate } from './certificate.js';
import { type AnsweredImage, Conversation, type Drawing, drawOrFail } from './conversation.js';
import { ACCOUNT, type Home, type HomeOptions, makeHome } from './home.js';
import { readModelRequest, textOf, turnMetadata } from './request.js';
import type { Script } from './script.js';

export { USAGE } from './answer.js';
export type { AnsweredImage } from './conversation.js';
export * from './failures.js';
export type { Home, HomeOptions } from './home.js';
export type { Route } from './request.js';
export * from './script.js';

export interface RecordedRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: IncomingHttpHeaders;
  /** Of the body, as far as it arrived. */
  bytes: number;
  /** The body, if it is JSON and complete. */
  body: unknown;
  /** performance.now() when the headers had arrived. */
  startedAt: number;
  /** performance.now() when the answer was complete or the client gone. */
  endedAt: number | undefined;
  /** Of the answer, once it is complete. Undefined if the client left before. */
  status: number | undefined;
}

/** Starts a ChatGPT backend on 127.0.0.1 whose model follows the script. */
export async function startBackend(script: Script): Promise<Backend> {
  const certificate = makeCertificate();
  const server = createServer(certificate);
  const backend = new Backend(server, certificate, script);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return backend;
}

export class Backend {
  readonly #server: Server;
  readonly #certificate: Certificate;
  readonly #closing = new AbortController();
  readonly #homes: Home[] = [];
  readonly #waiting = new Set<() => void>();
  #script: Script;
  #requests: RecordedRequest[] = [];
  #images: AnsweredImage[] = [];
  #conversations = new Map<string, Conversation>();
  #mishap: unknown;
  /** The answer about the account's limits, such as {@link accountUsage}. By default 404. */
  accountUsage: object | undefined;

  constructor(server: Server, certificate: Certificate, script: Script) {
    this.#server = server;
    this.#certificate = certificate;
    this.#script = script;
    server.on('request', (request, response) => void this.#serve(request, response));
    server.on('upgrade', (_request, socket: Duplex) => refuseWebSocket(socket));
  }

  get origin(): string {
    // The address of a listening TCP server is always of this kind.
    const { port } = this.#server.address() as AddressInfo;
    return `https://127.0.0.1:${port}`;
  }

  get requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  get images(): readonly AnsweredImage[] {
    return this.#images;
  }

  /** When the last image was sent. See {@link AnsweredImage.answeredAt}. */
  get imageAnsweredAt(): number | undefined {
    return this.#images.at(-1)?.answeredAt;
  }

  /** Makes a CODEX_HOME that uses this backend. It is removed with the backend. */
  async home(options?: HomeOptions): Promise<Home> {
    const home = await makeHome({ origin: this.origin, ca: this.#certificate.ca }, options);
    this.#homes.push(home);
    return home;
  }

  /** Sets another script for the next threads, and forgets all recorded requests. */
  play(script: Script): void {
    this.#script = script;
    this.#requests = [];
    this.#images = [];
    this.#conversations = new Map();
  }

  /** Resolves with the first request that matches, past or future. */
  async until(fits: (request: RecordedRequest) => boolean): Promise<RecordedRequest> {
    for (;;) {
      this.#closing.signal.throwIfAborted();
      const found = this.#requests.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  /** Stops everything, removes the homes, and throws if an answer did not follow the script. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the backend was closed'));
    this.#wake();
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeAllConnections();
    await closed;
    await Promise.all(this.#homes.map((home) => home.remove()));
    if (this.#mishap !== undefined) throw this.#mishap;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    const signal = AbortSignal.any([gone.signal, this.#closing.signal]);
    const record = this.#record(request);
    response.once('close', () => {
      record.endedAt = performance.now();
      if (response.headersSent) record.status = response.statusCode;
      gone.abort();
      this.#wake();
    });
    try {
      record.body = parsed(await bodyOf(request, record));
      this.#wake();
      await this.#answer(record, response, signal);
    } catch (error) {
      response.destroy();
      if (!signal.aborted && !request.errored) this.#mishap ??= error;
    }
  }

  #record(request: IncomingMessage): RecordedRequest {
    const record: RecordedRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      bytes: 0,
      body: undefined,
      startedAt: performance.now(),
      endedAt: undefined,
      status: undefined,
    };
    this.#requests.push(record);
    this.#wake();
    return record;
  }

  async #answer(
    record: RecordedRequest,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const path = `${record.method} ${record.path.replace(/\?.*/, '')}`;
    if (/^POST .*\/codex\//.test(path) && record.headers.authorization === undefined) {
      await answerJson(response, 401, NOT_SIGNED_IN);
    } else if (/^POST .*\/responses$/.test(path)) {
      const asked = readModelRequest(record.body, record.headers);
      const conversation = this.#conversation(asked.threadId, asked.userPrompt);
      await conversation.reply(asked, new ModelAnswer(response, signal));
    } else if (/^POST .*\/images\/(generations|edits)$/.test(path)) {
      await this.#answerImage(record, response, signal);
    } else if (path.endsWith('/wham/accounts/check')) {
      await answerJson(response, 200, accountsOf(this.origin));
    } else if (path.endsWith('/wham/usage') && this.accountUsage !== undefined) {
      await answerJson(response, 200, this.accountUsage);
    } else if (path.endsWith('/oauth/token')) {
      await answerJson(response, 401, TOKENS_NOT_RENEWED);
    } else {
      // Models, plugins, MCP servers, analytics: the CLI works without.
      await answerJson(response, 404, {});
    }
  }

  #conversation(threadId: string, userPrompt: string): Conversation {
    let conversation = this.#conversations.get(threadId);
    if (conversation === undefined) {
      const steps = typeof this.#script === 'function' ? this.#script(userPrompt) : this.#script;
      const images = this.#images;
      conversation = new Conversation(threadId, steps, (image) => images.push(image));
      this.#conversations.set(threadId, conversation);
    }
    return conversation;
  }

  async #answerImage(
    record: RecordedRequest,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const prompt = textOf(record.body, 'prompt') ?? '';
    const [conversation, drawing] = this.#drawingFor(prompt, turnMetadata(record.headers).turnId);
    const pause = (ms: number): Promise<void> => delay(Math.max(0, ms), undefined, { signal });
    const outcome = await drawOrFail(drawing, prompt, pause);
    if (!Buffer.isBuffer(outcome)) {
      drawing.failures += 1;
      await answerFailure(response, outcome);
      return;
    }
    const data = [{ b64_json: outcome.toString('base64') }];
    await answerJson(response, 200, { created: Math.floor(Date.now() / 1000), data });
    conversation.showImage(drawing.route, prompt, outcome);
  }

  /** The tool call behind an image request, in which 0.144 does not name its turn. */
  #drawingFor(prompt: string, turnId: string | undefined): [Conversation, Drawing] {
    for (const conversation of this.#conversations.values()) {
      const { drawing } = conversation;
      if (drawing === undefined) continue;
      const fits = turnId === undefined ? drawing.prompt === prompt : drawing.turnId === turnId;
      if (fits) return [conversation, drawing];
    }
    throw new Error(`an image request that no tool call explains: ${prompt}`);
  }
}

/** Makes the CLI fall back to plain requests. */
function refuseWebSocket(socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end('HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
}

async function bodyOf(request: IncomingMessage, record: RecordedRequest): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    record.bytes += chunk.length;
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** From 0.160 the CLI asks here for the origin of the account, and insists on https. */
function accountsOf(origin: string): object {
  return {
    accounts: [
      {
        id: ACCOUNT,
        structure: 'personal',
        plan_type: 'plus',
        workspace_backend_origin: origin,
        account_routing_override: 'NO_CONSTRAINT',
      },
    ],
    account_ordering: [ACCOUNT],
    default_account_id: ACCOUNT,
  };
}

/** The answer of `/wham/usage` for an account with two limits, one of which has two periods. */
export function accountUsage(resetsAt: number): object {
  const period = (
    used_percent: number,
    limit_window_seconds: number,
    reset_at: number,
  ): object => ({
    used_percent,
    limit_window_seconds,
    reset_after_seconds: 3600,
    reset_at,
  });
  const allowed = { allowed: true, limit_reached: false };
  return {
    plan_type: 'plus',
    user_id: 'loopback-user',
    account_id: ACCOUNT,
    email: 'loopback@example.com',
    rate_limit: {
      ...allowed,
      primary_window: period(42, 5 * 3600, resetsAt),
      secondary_window: period(5, 7 * 24 * 3600, resetsAt + 3600),
    },
    credits: { has_credits: true, unlimited: false, balance: '12.5' },
    additional_rate_limits: [
      {
        limit_name: 'A model',
        metered_feature: 'a_model',
        rate_limit: {
          ...allowed,
          primary_window: period(99, 24 * 3600, resetsAt),
          secondary_window: null,
        },
      },
    ],
  };
}

const NOT_SIGNED_IN = {
  error: {
    type: 'invalid_request_error',
    code: null,
    message: 'Missing bearer or basic authentication in header',
    param: null,
  },
};

const TOKENS_NOT_RENEWED = {
  error: { code: 'refresh_token_expired', message: 'Your refresh token has expired.' },
};
