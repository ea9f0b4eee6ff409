// A host process with a running call. Its argument has the package, the function, its options and
// whether a worker calls it. A line on stdin names how the process or its worker ends.

import { once } from 'node:events';
import { createRequire } from 'node:module';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** @type {Record<string, () => void>} */
const ENDINGS = {
  'process.exit': () => process.exit(3),
  'an uncaught throw': () => {
    setImmediate(() => {
      throw new Error('the host process is broken');
    });
  },
  'an unhandled rejection': () => void Promise.reject(new Error('without a handler')),
  'process.abort': () => process.abort(),
  'SIGTERM, handled': () => {
    process.once('SIGTERM', () => process.exit(0));
    process.kill(process.pid, 'SIGTERM');
  },
  SIGTERM: () => process.kill(process.pid, 'SIGTERM'),
  SIGHUP: () => process.kill(process.pid, 'SIGHUP'),
  SIGINT: () => process.kill(process.pid, 'SIGINT'),
  SIGKILL: () => process.kill(process.pid, 'SIGKILL'),
  'process.exit while the call is being stopped': () => {
    onStopping = () => process.exit(3);
    noLongerWanted.abort();
  },
};

const noLongerWanted = new AbortController();
let onStopping = () => {};

/** @type {Order} */
const order = isMainThread ? JSON.parse(process.argv[2] ?? '{}') : workerData;
const { call, options, inWorker, from = '../../../index.js' } = order;
/** @type {import('../../../index.js')} */
const addon = createRequire(import.meta.url)(from);
if (isMainThread) await live();
else work();

/**
 * @typedef {object} Order
 * @property {'generateCodexImage' | 'checkCodex'} call
 * @property {import('../../../index.js').GenerateOptions} options
 * @property {boolean} inWorker
 * @property {string} [from] the package's name; without it, this checkout
 */

async function live() {
  const worker = inWorker ? new Worker(new URL(import.meta.url), { workerData: order }) : undefined;
  // The result does not matter: only the end of the process is tested.
  const { signal } = noLongerWanted;
  if (!inWorker) {
    void addon[call]({ ...options, signal }, (_message, { phase }) => {
      if (phase === 'stopping') onStopping();
    });
  }
  const [line] = await once(process.stdin, 'data');
  const ending = String(line).trim();
  if (ending === 'a worker is terminated') await worker?.terminate();
  else if (ending === 'a worker exits') {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread is no window.
    worker?.postMessage('exit');
    await once(/** @type {Worker} */ (worker), 'exit');
  } else ENDINGS[ending]?.();
  if (!inWorker) return;
  // The process lives on, and may start the next worker.
  console.log('the worker has ended');
  await once(process.stdin, 'end');
}

function work() {
  void addon[call](options);
  parentPort?.on('message', () => process.exit());
}
