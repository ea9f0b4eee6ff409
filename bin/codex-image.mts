#!/usr/bin/env node
// The command line. It uses the public API alone.

import { main } from './main.mjs';

process.exitCode = await main(process.argv.slice(2));
