// `npm run build`, `test`, `demo`, `bench`, `soak` and `mutants`: installs and builds what the
// command needs, then runs its tool. Further arguments go to the tool.

import { spawnSync } from 'node:child_process';

import {
  buildAddon,
  buildDist,
  cargo,
  ensureAddon,
  ensureDependencies,
  ensureDist,
  main,
  tool,
  UserError,
} from './bootstrap.mjs';

/** @type {Record<string, (...args: string[]) => Promise<void>>} */
const COMMANDS = {
  /** `--debug` builds the addon without optimization. */
  async build(...args) {
    await ensureDependencies();
    const debug = args.includes('--debug');
    const rest = args.filter((arg) => arg !== '--debug');
    await buildAddon(...(debug ? [] : ['--release']), ...rest);
    await buildDist();
    await tool('typedoc');
  },

  /** The arguments name specs: `npm test -- cancel`. */
  async test(...specs) {
    await ensureDependencies();
    await ensureAddon();
    await ensureDist();
    await cargo('test');
    await tool('vitest', 'run', ...specs);
  },

  async demo(...args) {
    await ensureDependencies();
    await ensureAddon();
    await tool('tsx', 'demo/demo.ts', ...args);
  },

  async bench(...sections) {
    await ensureDependencies();
    // `ensureAddon` would accept a debug build.
    await buildAddon('--release');
    await tool('tsx', 'bench/run.ts', ...sections);
  },

  async soak(...args) {
    await ensureDependencies();
    await buildAddon('--release');
    // glibc reads them when the process starts; `bench/soak.ts` says what they are for.
    Object.assign(process.env, { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '131072' });
    await tool('tsx', '--expose-gc', 'bench/soak.ts', ...args);
  },

  /** `.cargo/mutants.toml` names the files. */
  async mutants(...args) {
    if (spawnSync('cargo', ['mutants', '--version']).status !== 0) {
      throw new UserError(
        'cargo-mutants is not installed. Install it: cargo install --locked cargo-mutants',
      );
    }
    await cargo('mutants', ...args);
  },
};

await main(async () => {
  const [name = '', ...args] = process.argv.slice(2);
  const command = COMMANDS[name];
  if (command === undefined) {
    throw new UserError(`no command is named ${name}: ${Object.keys(COMMANDS).join(', ')}`);
  }
  await command(...args);
});
