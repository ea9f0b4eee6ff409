// A process that runs bare stubs for another one, which wants to know what their mere presence costs.

import type { Place } from './place.js';
import { runBare } from './stubs.js';

export interface Order {
  place: Pick<Place, 'directory' | 'env'>;
  count: number;
}

process.on('message', ({ place, count }: Order) => {
  void Promise.all(Array.from({ length: count }, () => runBare(place))).then(() =>
    process.send?.('done'),
  );
});
