// Ctrl-C and its kin.

import { SIGNAL_EXITS, Stopped, type StopSignal } from './failure.mjs';

/**
 * Aborted by the first signal. The second ends the process after `leave`, and does not leave more behind: the addon stops what
 * it runs before Node exits, only with less patience.
 */
export function stopOnSignal(leave: (stopped: Stopped) => void): AbortSignal {
  const controller = new AbortController();
  for (const signal of Object.keys(SIGNAL_EXITS) as StopSignal[]) {
    process.on(signal, () => {
      if (!controller.signal.aborted) {
        controller.abort(new Stopped(signal));
        return;
      }
      const stopped = controller.signal.reason as Stopped;
      leave(stopped);
      process.exit(SIGNAL_EXITS[stopped.signal]);
    });
  }
  return controller.signal;
}
