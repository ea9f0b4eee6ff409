// `npm run bench`: the figures. Always asks cargo, so that a debug addon is never measured.

import { buildAddon, ensureDependencies, main, tool } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await buildAddon('--release');
  await tool('tsx', 'bench/run.ts', ...process.argv.slice(2));
});
