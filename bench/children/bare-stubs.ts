// A process that runs bare stubs for another one, which wants to know what their mere presence costs.

import type { Place } from '../../__test__/support/place.js';
import { runBare } from '../stubs.js';

export interface Order {
  place: Pick<Place, 'directory' | 'env'>;
  count: number;
}

export type Report = 'all have started' | 'all have ended';

process.on('message', ({ place, count }: Order) => {
  const tell = (report: Report): void => {
    process.send?.(report);
  };
  let waiting = count;
  const started = (): void => {
    waiting -= 1;
    if (waiting === 0) tell('all have started');
  };
  void Promise.all(Array.from({ length: count }, () => runBare(place, started))).then(() =>
    tell('all have ended'),
  );
});
