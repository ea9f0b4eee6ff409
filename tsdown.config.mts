// The TypeScript that is published: `open-design/` for ESM and CommonJS, the command line as ESM.

import { mkdirSync, writeFileSync } from 'node:fs';

import { defineConfig, type Rolldown, type UserConfig } from 'tsdown';

/** Lists the npm modules of which a bundle has code, for THIRD-PARTY-NOTICES.txt. */
const listBundled: Rolldown.Plugin = {
  name: 'list-bundled',
  generateBundle({ format }, files) {
    const chunks = Object.values(files).filter((file) => file.type === 'chunk');
    const modules = chunks.flatMap((chunk) =>
      Object.entries(chunk.modules).flatMap(([id, { renderedLength }]) =>
        id.includes('node_modules') && renderedLength > 0 ? [id] : [],
      ),
    );
    const name = `${chunks.map((chunk) => chunk.name).join('-')}.${format}.json`;
    mkdirSync('.cache/bundled', { recursive: true });
    writeFileSync(`.cache/bundled/${name}`, JSON.stringify(modules));
  },
};

const common: UserConfig = {
  outDir: 'dist',
  target: 'node20',
  plugins: [listBundled],
  // The addon is always reached by the package's own name, so that bundlers can leave it out.
  deps: { neverBundle: ['codex-image', '#addon'] },
};

export default defineConfig([
  {
    ...common,
    entry: { 'open-design': 'open-design/index.mts', models: 'open-design/models.mts' },
    format: ['esm', 'cjs'],
    platform: 'neutral',
    dts: true,
    // jest and `vm` have no `import()`.
    outputOptions: { dynamicImportInCjs: false },
  },
  {
    ...common,
    entry: { cli: 'bin/codex-image.mts' },
    format: 'esm',
    dts: false,
    deps: { neverBundle: ['codex-image', '#addon', './sixel.mjs'] },
  },
  // A file of its own, which the command line loads when a terminal needs it.
  {
    ...common,
    entry: { sixel: 'bin/sixel.mts' },
    format: 'esm',
    dts: false,
    minify: true,
    // The package `sixel` sets this variable without declaring it, which a module must not do.
    banner: 'var UPNG;',
  },
  // Alone, so that the command line shares no file with it.
  {
    ...common,
    entry: { 'demo-backend': 'bin/demo-backend.mts' },
    format: 'esm',
    dts: false,
    minify: true,
  },
]);
