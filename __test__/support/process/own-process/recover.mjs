// Recovers one image. Prints an `Outcome` without its peak.

import { recoverCodexImage } from '../../../../index.js';
import { shown } from './common.mjs';

/** @type {import('../../../../index.js').RecoverOptions} */
const options = JSON.parse(process.argv[2] ?? '');
const recovered = recoverCodexImage(options).then(
  (image) => ({ image }),
  (error) => ({ error }),
);

console.log(JSON.stringify(shown(await recovered)));
