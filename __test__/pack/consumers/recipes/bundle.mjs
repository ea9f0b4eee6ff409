// Bundles main.mjs with one bundler into out/BUNDLER.mjs, with the given options: `bundle.mjs
// webpack "externals: {}"`.

import path from 'node:path';

const [bundler, text = ''] = process.argv.slice(2);
const options = new Function(`return { ${text} }`)();
const entry = './main.mjs';
const out = path.resolve('out');
const file = `${bundler}.mjs`;

const BUNDLERS = {
  async esbuild({ build }) {
    const base = { entryPoints: [entry], bundle: true, platform: 'node', format: 'esm' };
    await build({ ...base, outfile: path.join(out, file), logLevel: 'silent', ...options });
  },
  async rollup({ rollup }) {
    const { default: commonjs } = await import('@rollup/plugin-commonjs');
    const { default: nodeResolve } = await import('@rollup/plugin-node-resolve');
    const plugins = [nodeResolve({ preferBuiltins: true }), commonjs()];
    const bundle = await rollup({ input: entry, plugins, ...options });
    await bundle.write({ file: path.join(out, file), format: 'es' });
  },
  async webpack({ default: webpack }) {
    await compile(webpack);
  },
  async '@rspack/core'({ rspack }) {
    await compile(rspack);
  },
  async vite({ build }) {
    const rollupOptions = { output: { entryFileNames: file } };
    const base = { ssr: entry, outDir: out, emptyOutDir: false, rollupOptions };
    await build({ configFile: false, logLevel: 'silent', build: base, ...options });
  },
};

/** Both compile to CommonJS by default. */
function compile(bundle) {
  const output = { path: out, filename: file.replace('.mjs', '.cjs') };
  const compiler = bundle({ entry, target: 'node', mode: 'production', output, ...options });
  return new Promise((resolve, reject) => {
    compiler.run((error, stats) => {
      if (error) reject(error);
      else if (stats.hasErrors()) reject(new Error(stats.toString({ all: false, errors: true })));
      else resolve();
    });
  });
}

await BUNDLERS[bundler](await import(bundler));
