// `npm run pack:check`: what a release would publish for this machine, installed and used as its users will.

import { ensureDependencies, ensureDist, main, root, run, tool } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await ensureDist();
  await run(process.execPath, [`${root}scripts/build-target.mjs`]);
  await tool('tsx', '__test__/pack/check.ts');
});
