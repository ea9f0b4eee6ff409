// `npm run test:codex`: every supported version of the real Codex CLI, case by case; writes COMPATIBILITY.md.
// Arguments go to vitest (`npm run test:codex -- causes`).

import { ensureAddon, ensureDependencies, main, tool } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await ensureAddon();
  await tool('vitest', 'run', '--config', 'vitest.codex.config.mts', ...process.argv.slice(2));
});
