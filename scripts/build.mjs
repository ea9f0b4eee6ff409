// `npm run build`: the addon for this machine, and the published TypeScript. Arguments go to `napi build`.

import { buildAddon, buildDist, ensureDependencies, main } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await buildAddon(...process.argv.slice(2));
  await buildDist();
});
