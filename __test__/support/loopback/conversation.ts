// oxlint-disable no-await-in-loop -- scripts and streams go step by step.

import { drawPrompt } from '../image/picture.js';
import type { ModelAnswer } from './answer.js';
import type { Failure } from './failures.js';
import { hostedImage, imageCall, message, shellCall } from './items.js';
import type { ModelRequest, Route } from './request.js';
import { type DrawOptions, type Step, UNAVAILABLE } from './script.js';

/** An image that the backend sent. */
export interface AnsweredImage {
  threadId: string;
  route: Route;
  /** The prompt that reached the image tool. */
  prompt: string;
  png: Buffer;
  /** performance.now() when the system had taken the last byte of the image's answer. */
  answeredAt: number;
}

/** A call of the image tool. */
export interface Drawing {
  turnId: string | undefined;
  route: Route;
  prompt: string;
  aspect: string;
  options: DrawOptions;
  /** How many attempts have failed so far. */
  failures: number;
}

/** What follows in the answer after one step of the script. */
type Outcome =
  /** The answer goes on with the next step. */
  | 'next'
  /** The answer is complete. The next step belongs to the next one. */
  | 'over'
  /** The answer is complete, and the next one repeats this step. */
  | 'again';

/** The progress of one thread through the script: a step at a time, over any number of requests. */
export class Conversation {
  /** The subject of the CLI's next image request. */
  drawing: Drawing | undefined;
  readonly #threadId: string;
  readonly #steps: readonly Step[];
  readonly #onImage: (image: AnsweredImage) => void;
  #at = 0;
  /** How often the current step has failed so far. */
  #failures = 0;
  /** This answer had a hosted image: the CLI can only name its path in the next request. */
  #untold = false;

  constructor(threadId: string, steps: readonly Step[], onImage: (image: AnsweredImage) => void) {
    this.#threadId = threadId;
    this.#steps = steps;
    this.#onImage = onImage;
  }

  async reply(asked: ModelRequest, answer: ModelAnswer): Promise<void> {
    this.drawing = undefined;
    this.#untold = false;
    for (;;) {
      const step = this.#steps[this.#at];
      if (step === undefined) return answer.complete();
      const outcome = await this.#perform(step, asked, answer);
      if (outcome === 'again') return;
      this.#at += 1;
      this.#failures = 0;
      if (outcome === 'over') return;
    }
  }

  async #perform(step: Step, asked: ModelRequest, answer: ModelAnswer): Promise<Outcome> {
    switch (step.do) {
      case 'think':
        await answer.pause(step.ms);
        return 'next';
      case 'say':
        await answer.item(message(step.text));
        return 'next';
      case 'talk':
        await answer.trickle(step.text, step.ms);
        return 'next';
      case 'draw':
        return this.#draw(step, asked, answer);
      case 'copy':
        return this.#copy(asked, answer);
      case 'shell':
        return this.#shell(step.command, asked, answer, step.escalated);
      case 'fail':
        if (this.#failures >= step.times) return 'next';
        this.#failures += 1;
        await answer.fail(step.failure);
        return 'again';
    }
  }

  async #draw(options: DrawOptions, asked: ModelRequest, answer: ModelAnswer): Promise<Outcome> {
    const route = options.route ?? asked.imageRoute;
    if (route === undefined) {
      await answer.item(message(UNAVAILABLE));
      this.#at = this.#steps.length;
      return 'next';
    }
    const prompt = promptFor(options, asked);
    const { turnId, aspect } = asked;
    const drawing: Drawing = { turnId, route, prompt, aspect, options, failures: this.#failures };
    if (route === 'hosted') return this.#drawHosted(drawing, answer);

    this.drawing = drawing;
    await answer.item(imageCall(route, prompt, asked));
    await answer.complete();
    return 'over';
  }

  async #drawHosted(drawing: Drawing, answer: ModelAnswer): Promise<Outcome> {
    const { prompt, options } = drawing;
    const item = hostedImage();
    const { finish } = await answer.begin(item);
    const png = await drawOrFail(drawing, prompt, (ms) => answer.pause(ms));
    if (!Buffer.isBuffer(png)) {
      this.#failures += 1;
      await answer.fail(png);
      return 'again';
    }
    const { status = 'completed' } = options;
    await finish({ ...item, status, revised_prompt: prompt, result: png.toString('base64') });
    this.showImage('hosted', prompt, png);
    this.#untold = true;
    return 'next';
  }

  /** To be called right after the last byte. */
  showImage(route: Route, prompt: string, png: Buffer): void {
    const answeredAt = performance.now();
    this.#onImage({ threadId: this.#threadId, route, prompt, png, answeredAt });
  }

  async #copy(asked: ModelRequest, answer: ModelAnswer): Promise<Outcome> {
    const { copyTarget, savedImage } = asked;
    if (asked.shellRoute === undefined || copyTarget === undefined) return 'next';
    if (this.#untold) {
      await answer.complete({ goOn: true });
      return 'again';
    }
    if (savedImage === undefined) return 'next';
    return this.#shell(`cp ${quoted(savedImage)} ${quoted(copyTarget)}`, asked, answer);
  }

  async #shell(
    command: string,
    asked: ModelRequest,
    answer: ModelAnswer,
    escalated?: boolean,
  ): Promise<Outcome> {
    if (asked.shellRoute === undefined) return 'next';
    await answer.item(shellCall(command, asked, escalated));
    await answer.complete();
    return 'over';
  }
}

/** Resolves with the script's image or failure for this prompt, after its delay. */
export async function drawOrFail(
  { options, failures, aspect }: Drawing,
  prompt: string,
  pause: (ms: number) => Promise<void>,
): Promise<Buffer | Failure> {
  const { image = drawPrompt, ms = 0, failure, times = Number.POSITIVE_INFINITY } = options;
  const startedAt = performance.now();
  const fails = failure !== undefined && failures < times;
  const outcome = fails ? failure : Buffer.isBuffer(image) ? image : image(prompt, aspect);
  await pause(ms - (performance.now() - startedAt));
  return outcome;
}

function promptFor({ prompt }: DrawOptions, { userPrompt, brief }: ModelRequest): string {
  return typeof prompt === 'function' ? prompt(userPrompt) : (prompt ?? brief);
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", String.raw`'\''`)}'`;
}
