// Runs the test that docs/open-design.md adds to Open Design's daemon.

import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll } from 'vitest';

import { compose, discard, readBlocks } from './support/compose.js';

const directory = await compose(await readBlocks());
afterAll(() => discard(directory));
const added = path.join(directory, 'apps/daemon/tests/media/codex-cli.test.ts');
await import(pathToFileURL(added).href);
