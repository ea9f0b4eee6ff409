// The addon with a real Codex, both for an emulated platform. `npm run test:emulated` runs this
// file with that platform's Node, and the backend beside it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { generateCodexImage } from '../../index.js';
import { needed, PATIENCE_MS, World } from './world.mjs';

const REAL_ENV = JSON.parse(needed('REAL_CODEX_ENV'));
const PICTURE = readFileSync(needed('REAL_CODEX_PICTURE'));

describe('an image of the real Codex', () => {
  for (const sandbox of /** @type {const} */ (['read-only', 'danger-full-access'])) {
    test(`is handed over byte for byte: ${sandbox}`, { timeout: 3 * PATIENCE_MS }, async (t) => {
      const world = new World(t);
      const options = world.options('', { sandbox, timeoutMs: 2 * PATIENCE_MS });
      const env = { ...options.env, ...REAL_ENV };
      assert.deepEqual(await generateCodexImage({ ...options, env }), PICTURE);
      world.expectNothingLeft();
    });
  }
});
