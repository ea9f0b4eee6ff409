// Runs stubs without the addon, so that another process can measure what the stubs alone cost it.

import type { CallEnvironment } from '../../__test__/support/load/call-environment.js';
import { runBare } from '../stubs.js';

export interface Order {
  callEnv: Pick<CallEnvironment, 'directory' | 'env'>;
  count: number;
}

export type Report = 'all have started' | 'all have ended';

process.on('message', ({ callEnv, count }: Order) => {
  const send = (report: Report): void => {
    process.send?.(report);
  };
  let waiting = count;
  const started = (): void => {
    waiting -= 1;
    if (waiting === 0) send('all have started');
  };
  void Promise.all(Array.from({ length: count }, () => runBare(callEnv, started))).then(() =>
    send('all have ended'),
  );
});
