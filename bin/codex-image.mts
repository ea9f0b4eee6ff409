#!/usr/bin/env node
// Entry point of the command line.

import { main } from './main.mjs';

process.exitCode = await main(process.argv.slice(2));
