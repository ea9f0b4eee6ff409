// How the installed package ends a call that has not drawn: aborted, or with its worker or its host
// process. `__test__/process/host-process.spec.ts` has the whole list for this repository's Node.

import { deepEqual, equal } from 'node:assert/strict';

import { type End, type HostProcess, KILLED } from '../support/process/host-process.js';
import type { Consumer, DrawingStub } from './consumers.js';
import { until } from './until.js';

/** Returns the checks. `draws` makes a call that draws, and asserts that nothing is left. */
export function ends(
  project: Consumer,
  stub: DrawingStub,
  draws: () => Promise<void>,
): Record<string, () => Promise<void>> {
  /** Makes a call, and ends the host process or the worker when Codex and its tools run. */
  const starts = async (
    inWorker: boolean,
    end: (host: HostProcess) => Promise<void>,
  ): Promise<void> => {
    const host = project.host(stub.endless, { inWorker });
    try {
      await until(() => host.hasEnded || stub.leftovers() === 4, 'Codex and its tools run');
      equal(host.hasEnded, false);
      await end(host);
    } finally {
      host.kill();
    }
  };
  const killed = (ending: string, expected: End) => () =>
    starts(false, async (host) => {
      deepEqual(await host.die(ending), expected);
      await until(() => stub.processes() === 0, 'no process is left');
      // Removes the run directory.
      await draws();
    });
  return {
    'ends: abort': async () => {
      const printed = await project.runs('abort/main.mjs', JSON.stringify(stub.endless));
      deepEqual(printed, { name: 'AbortError', isReason: true });
      equal(stub.leftovers(), 0);
    },
    'ends: process.exit': () =>
      starts(false, async (host) => {
        deepEqual(await host.die('process.exit'), [3, null]);
        equal(stub.leftovers(), 0);
      }),
    'ends: process.abort': killed('process.abort', [null, 'SIGABRT']),
    'ends: SIGKILL': killed('SIGKILL', KILLED),
    'ends: worker terminated': () =>
      starts(true, async (host) => {
        await host.endWorker('a worker is terminated');
        // Deno's `terminate()` does not wait for the worker.
        await until(() => stub.leftovers() === 0, 'nothing is left');
        deepEqual(await host.leave(), [0, null]);
      }),
  };
}
