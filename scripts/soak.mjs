// `npm run soak -- [--minutes 30]`: whether anything grows with the number of calls. Never soaks a debug addon. In less than ten
// minutes or so the pools of threads and memory are still growing, and the limits say so.

import { buildAddon, ensureDependencies, main, tool } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await buildAddon('--release');
  // Before the process starts, or it is too late: see the text of bench/soak.ts.
  process.env['MALLOC_ARENA_MAX'] = '1';
  await tool('tsx', '--expose-gc', 'bench/soak.ts', ...process.argv.slice(2));
});
