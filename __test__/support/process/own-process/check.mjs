// Prints the result of `checkCodex`.

import { checkCodex } from '../../../../index.js';
import { options } from './common.mjs';

console.log(JSON.stringify(await checkCodex(options)));
