// The addon with a real Codex, both for an emulated platform. `npm run test:emulated` runs this
// file with that platform's Node, and the backend beside it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { generateCodexImage } from '../../index.js';
import { EmulatedCodex, needed, TIMEOUT_MS } from './fixture.mjs';

const REAL_ENV = JSON.parse(needed('REAL_CODEX_ENV'));
const PICTURE = readFileSync(needed('REAL_CODEX_PICTURE'));

describe('an image of the real Codex', () => {
  for (const sandbox of /** @type {const} */ (['read-only', 'danger-full-access'])) {
    test(`is handed over byte for byte: ${sandbox}`, { timeout: 3 * TIMEOUT_MS }, async (t) => {
      const codex = new EmulatedCodex(t);
      const options = codex.options('', { sandbox, timeoutMs: 2 * TIMEOUT_MS });
      const env = { ...options.env, ...REAL_ENV };
      assert.deepEqual(await generateCodexImage({ ...options, env }), PICTURE);
      codex.expectNothingLeft();
    });
  }
});
