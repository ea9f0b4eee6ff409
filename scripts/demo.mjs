// `npm run demo -- "an orange cat on a blue cube"`: a picture from a fresh clone, without an account.

import { ensureAddon, ensureDependencies, main, tool } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await ensureAddon();
  await tool('tsx', 'demo/demo.ts', ...process.argv.slice(2));
});
