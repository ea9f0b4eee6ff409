import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['__test__/**/*.spec.ts'],
    // `npm run test:codex`: many versions of the real CLI, with minutes of its retries.
    exclude: [...configDefaults.exclude, '__test__/real/compatibility/**'],
    // The addon makes errors of the main realm: a pool that runs tests in a `vm` context would not
    // recognise them, and only a process of its own can be left clean.
    pool: 'forks',
    // A ceiling for a test that hangs; nothing here is meant to come near it, however busy the
    // machine is.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    retry: 0,
    allowOnly: false,
    expect: { requireAssertions: true },
    server: {
      // What Node itself would load, the tests load through Node.
      deps: { external: [/\/index\.js$/, /\/dist\//] },
    },
  },
});
