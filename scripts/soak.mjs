// `npm run soak -- [--minutes 30]`: whether anything grows with the number of calls. Never soaks a debug addon. In less than twenty
// minutes or so the noise is larger than the limits.

import { buildAddon, ensureDependencies, main, tool } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await buildAddon('--release');
  // Before the process starts, or it is too late: see the text of bench/soak.ts.
  Object.assign(process.env, { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' });
  await tool('tsx', '--expose-gc', 'bench/soak.ts', ...process.argv.slice(2));
});
