// `npm run build`: the addon for this machine. Arguments go to `napi build`.

import { buildAddon, ensureDependencies, main } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await buildAddon(...process.argv.slice(2));
});
