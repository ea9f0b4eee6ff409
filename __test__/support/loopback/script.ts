import type { Failure } from './failures.js';
import type { Route } from './request.js';

/**
 * What the scripted model does, step by step. One script suits every version of the CLI: how a step
 * travels (and over how many requests) follows from the tools that the CLI declares.
 */
export type Step =
  | { do: 'think'; ms: number }
  | ({ do: 'draw' } & DrawOptions)
  | { do: 'copy' }
  | { do: 'shell'; command: string; escalated?: boolean }
  | { do: 'say'; text: string }
  | { do: 'talk'; ms: number; text: string }
  | { do: 'fail'; failure: Failure; times: number };

/** A fixed list, or one made for the user's prompt. */
export type Script = readonly Step[] | ((userPrompt: string) => readonly Step[]);

export interface DrawOptions {
  /** How long the picture takes. */
  ms?: number;
  /** The words for the image tool; by default the brief within the user's prompt. */
  prompt?: string | ((userPrompt: string) => string);
  /** The PNG, or what draws it for the words that reached the image tool; by default `drawPrompt`. */
  image?: Buffer | ((prompt: string, aspect: string) => Buffer);
  /** Instead of a picture. */
  failure?: Failure;
  /** How many attempts fail before a picture comes after all; by default every one. */
  times?: number;
  /** The way to the image tool, also where the CLI does not offer it; by default what it offers. */
  route?: Route;
  /** Of the hosted tool's item. Some versions save no file for `generating`. */
  status?: 'completed' | 'generating';
}

/** Says nothing for a while. */
export const think = (ms: number): Step => ({ do: 'think', ms });

/** Calls the image tool; without one, says so as the prompt asked and ends the turn. */
export const draw = (options: DrawOptions = {}): Step => ({ do: 'draw', ...options });

/**
 * Copies the last picture, from where the CLI said it is, to the path that the user's prompt names.
 * Left out where there is no shell, no picture or no such path.
 */
export const copy = (): Step => ({ do: 'copy' });

/** Runs a command in the CLI's real shell tool and sandbox. Left out where there is no shell. */
export const shell = (command: string): Step => ({ do: 'shell', command });

/** The same, and asks to leave the sandbox for it. */
export const escalate = (command: string): Step => ({ do: 'shell', command, escalated: true });

/** One whole message. */
export const say = (text: string): Step => ({ do: 'say', text });

/** A message that trickles in, word by word. */
export const talk = (ms: number, text = NARRATION): Step => ({ do: 'talk', ms, text });

/** The model call itself fails, on each attempt (or so many times, and then goes on). */
export const fail = (failure: Failure, times = Number.POSITIVE_INFINITY): Step => ({
  do: 'fail',
  failure,
  times,
});

/** What an agent answers that was told to admit a missing tool. */
export const UNAVAILABLE = 'IMAGE_GEN_UNAVAILABLE';
export const unavailable = (): Step => say(UNAVAILABLE);

const NARRATION =
  'I generated the picture, looked at it closely, compared it with the brief and copied it to the ' +
  'requested path. The file is a PNG, its dimensions look right, and nothing else was changed.';
