// The TypeScript that is published: `open-design/` for ESM and CommonJS, the command line as ESM.

import { fileURLToPath } from 'node:url';

import { defineConfig, type UserConfig } from 'tsdown';

// The addon is always reached by the package's own name, so that bundlers can leave it out.
const EXTERNAL = ['codex-image', '#addon'];

const common: UserConfig = {
  outDir: 'dist',
  target: 'node20',
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
    // A file of its own, which `codex-image mcp` imports.
    deps: { neverBundle: [...EXTERNAL, './mcp.mjs'] },
    entry: { cli: 'bin/codex-image.mts' },
    format: 'esm',
    dts: false,
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
