// The TypeScript that is published: `open-design/` for ESM and CommonJS, the command line as ESM.

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

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

// The addon is always reached by the package's own name, so that bundlers can leave it out.
const EXTERNAL = ['codex-image', '#addon'];

const common: UserConfig = {
  outDir: 'dist',
  target: 'node20',
  plugins: [listBundled],
  deps: { neverBundle: EXTERNAL },
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
    // Files of their own, which the command line loads when it needs them.
    deps: { neverBundle: [...EXTERNAL, './mcp.mjs', './sixel.mjs'] },
    entry: { cli: 'bin/codex-image.mts' },
    format: 'esm',
    dts: false,
  },
  {
    ...common,
    entry: { sixel: 'bin/sixel.mts' },
    format: 'esm',
    dts: false,
    minify: true,
    // The package `sixel` sets this variable without declaring it, which a module must not do.
    banner: 'var UPNG;',
  },
  {
    ...common,
    alias: {
      '@modelcontextprotocol/server/_shims': fileURLToPath(
        new URL('bin/mcp/sdk-shims.mts', import.meta.url),
      ),
    },
    entry: { mcp: 'bin/mcp.mts' },
    format: 'esm',
    dts: false,
    minify: true,
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
