// Stops the run on Ctrl-C and other signals.

import { SIGNAL_EXITS, Stopped, type StopSignal } from './failure.mjs';

/**
 * Returns a signal that the first of {@link SIGNAL_EXITS} aborts. Later ones are ignored: the run
 * ends within two seconds, and an earlier exit would leave processes and files behind.
 */
export function stopOnSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of Object.keys(SIGNAL_EXITS) as StopSignal[]) {
    process.on(signal, () => controller.abort(new Stopped(signal)));
  }
  return controller.signal;
}
