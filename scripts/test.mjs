// `npm test`: all tests, on a fresh clone too. Arguments go to vitest (`npm test -- cancel`).

import { cargo, ensureAddon, ensureDependencies, ensureDist, main, tool } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await ensureAddon();
  await ensureDist();
  await cargo('test');
  await tool('vitest', 'run', ...process.argv.slice(2));
});
