// Ctrl-C and its kin.

import { SIGNAL_EXITS, Stopped, type StopSignal } from './failure.mjs';

/**
 * Aborted by the first signal. Those that follow change nothing: the run is over within two seconds, and to leave earlier would
 * mean to leave something behind.
 */
export function stopOnSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of Object.keys(SIGNAL_EXITS) as StopSignal[]) {
    process.on(signal, () => controller.abort(new Stopped(signal)));
  }
  return controller.signal;
}
