#!/usr/bin/env node
// The command line: a thin user of the public API.

import { main } from './main.mjs';

process.exitCode = await main(process.argv.slice(2));
