// `npm run test:codex`: what `npm test` leaves out.

import { defineConfig } from 'vitest/config';

import base from './vitest.config.mjs';

export default defineConfig({
  ...base,
  test: {
    ...base.test,
    include: ['__test__/real/compatibility/*.spec.ts'],
    exclude: [],
    // Some versions of Codex try again for half a minute before they give up.
    testTimeout: 150_000,
    // Where a CI checks, a COMPATIBILITY.md that is not up to date is a failure; elsewhere it is
    // written.
    update: process.env['CI'] === undefined,
  },
});
