// Prints what `checkCodex` says.

import { checkCodex } from '../../../index.js';
import { options } from './common.mjs';

console.log(JSON.stringify(await checkCodex(options)));
