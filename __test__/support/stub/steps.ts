// Builders of the steps of the stub that many specs use.

import type { RolloutForm, Step } from './stub-script.js';

export function save(
  where: 'store' | 'workspace',
  bytes: Uint8Array,
  rest: {
    name?: string;
    thread?: string;
    pieces?: number;
    everyMs?: number;
    modified?: string;
  } = {},
): Step {
  return { do: 'save', where, base64: Buffer.from(bytes).toString('base64'), ...rest };
}

/** Writes an image into the thread's rollout. */
export function addToRollout(
  form: RolloutForm,
  bytes: Uint8Array,
  rest: { revisedPrompt?: string; thread?: string } = {},
): Step {
  return { do: 'addToRollout', form, base64: Buffer.from(bytes).toString('base64'), ...rest };
}

export function print(to: 'stdout' | 'stderr', data: string | Uint8Array, pieces?: number): Step {
  const base64 = Buffer.from(data as string).toString('base64');
  return { do: 'write', to, base64, ...(pieces === undefined ? {} : { pieces }) };
}

export function say(text: string): Step {
  return item({ type: 'agent_message', text });
}

export function item(members: { type: string; [member: string]: unknown }): Step {
  return { do: 'emit', event: { type: 'item.completed', item: { id: 'item_0', ...members } } };
}

/** Reports the `n`th attempt to get a lost connection back. */
export function reconnecting(n: number, why = 'stream disconnected before completion'): Step {
  return { do: 'emit', event: { type: 'error', message: `Reconnecting... ${n}/5 (${why})` } };
}

/** Lets the spec wait for `codex.reached('running')`. */
export const RUNNING: Step = { do: 'reach', mark: 'running' };
export const HANG: Step = { do: 'hang' };
/** The signals that ask a process to end, and that it can ignore. */
export const TERMINATION_SIGNALS: NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];

export const THREAD: Step = { do: 'thread' };
export const TURN_STARTED: Step = { do: 'emit', event: { type: 'turn.started' } };
export const USAGE = {
  input_tokens: 1200,
  cached_input_tokens: 800,
  output_tokens: 90,
  reasoning_output_tokens: 30,
};
export const TURN_COMPLETED: Step = { do: 'emit', event: { type: 'turn.completed', usage: USAGE } };

export function turnFailed(message: string): Step {
  return { do: 'emit', event: { type: 'turn.failed', error: { message } } };
}

/** Surrounds the steps with the events of a complete turn. */
export function turn(...steps: Step[]): Step[] {
  return [THREAD, TURN_STARTED, ...steps, TURN_COMPLETED];
}
