#!/usr/bin/env node
// The command line: a thin user of the public API.

import { checkCodex } from '@open-design/codex-image';

console.log(JSON.stringify(await checkCodex()));
