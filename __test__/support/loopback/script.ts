// What the backend answers, turn by turn.

import type { Failure } from './failures.js';
import type { Route } from './request.js';

/**
 * What the scripted model does, step by step. A script suits every version of the CLI: how a step
 * is sent, and over how many requests, depends on the tools that the CLI declares.
 */
export type Step =
  | { do: 'think'; ms: number }
  | ({ do: 'draw' } & DrawOptions)
  | { do: 'copy' }
  | { do: 'shell'; command: string; escalated?: boolean }
  | { do: 'say'; text: string }
  | { do: 'talk'; ms: number; text: string }
  | { do: 'fail'; failure: Failure; times: number };

/** A fixed list, or a function of the user's prompt. */
export type Script = readonly Step[] | ((userPrompt: string) => readonly Step[]);

export interface DrawOptions {
  /** How long the image takes. */
  ms?: number;
  /** The prompt for the image tool, by default the description within the user's prompt. */
  prompt?: string | ((userPrompt: string) => string);
  /** The PNG, or a function of the prompt that reached the image tool. By default `drawPrompt`. */
  image?: Buffer | ((prompt: string, aspect: string) => Buffer);
  /** Fails instead of sending an image. */
  failure?: Failure;
  /** How many attempts fail before an image is sent, by default all. */
  times?: number;
  /** The route to the image tool, offered by the CLI or not. By default the one it offers. */
  route?: Route;
  /** The status of the hosted tool's item. Some versions save no file for `generating`. */
  status?: 'completed' | 'generating';
}

/** Sends nothing for a while. */
export const think = (ms: number): Step => ({ do: 'think', ms });

/** Calls the image tool. Without one, replies as the prompt says and ends the turn. */
export const draw = (options: DrawOptions = {}): Step => ({ do: 'draw', ...options });

/**
 * Copies the last image, from the path that the CLI reported to the path in the user's prompt.
 * Skipped without a shell, an image or such a path.
 */
export const copy = (): Step => ({ do: 'copy' });

/** Runs a command in the CLI's real shell tool and sandbox. Skipped without a shell. */
export const shell = (command: string): Step => ({ do: 'shell', command });

/** The same, and requests to leave the sandbox for it. */
export const escalate = (command: string): Step => ({ do: 'shell', command, escalated: true });

/** Sends one whole message. */
export const say = (text: string): Step => ({ do: 'say', text });

/** Sends a message word by word. */
export const talk = (ms: number, text = NARRATION): Step => ({ do: 'talk', ms, text });

/** Fails the model call itself, on each attempt or so many times. */
export const fail = (failure: Failure, times = Number.POSITIVE_INFINITY): Step => ({
  do: 'fail',
  failure,
  times,
});

/** Replies that the tool is missing, as the prompt demands. */
export const UNAVAILABLE = 'IMAGE_GEN_UNAVAILABLE';
export const unavailable = (): Step => say(UNAVAILABLE);

const NARRATION =
  'I generated the picture, looked at it closely, compared it with the brief and copied it to the ' +
  'requested path. The file is a PNG, its dimensions look right, and nothing else was changed.';
