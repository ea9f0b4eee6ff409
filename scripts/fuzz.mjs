// `npm run fuzz`: feeds hostile bytes to the parsers, each target for 60 s or `--seconds`.
// `npm run fuzz -- --seconds 1800 png` names targets.

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { ensureCargoTool, main, root, run, UserError } from './bootstrap.mjs';

/** Inputs that were found in addition to `fuzz/corpus`, kept for the next run. */
const FOUND = path.join(root, '.cache', 'fuzz');

await main(async () => {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: 'string', default: '60' } },
    allowPositionals: true,
  });
  const seconds = Number(values.seconds);
  if (!Number.isSafeInteger(seconds) || seconds < 1)
    throw new UserError('--seconds takes a whole number');
  const targets = readdirSync(path.join(root, 'fuzz', 'fuzz_targets')).map((file) =>
    path.basename(file, '.rs'),
  );
  const unknown = positionals.filter((name) => !targets.includes(name));
  if (unknown.length > 0) {
    throw new UserError(`no target is named ${unknown.join(', ')}: ${targets.join(', ')}`);
  }
  if (!hasNightly()) {
    throw new UserError('Fuzzing needs a nightly Rust toolchain: rustup toolchain install nightly');
  }
  const cargoFuzz = await ensureCargoTool('cargo-fuzz', '0.13.2');
  for (const target of positionals.length > 0 ? positionals : targets) {
    console.log(`\n── ${target}`);
    const found = path.join(FOUND, target);
    mkdirSync(found, { recursive: true });
    // libFuzzer writes new inputs into the first directory.
    const corpora = [found, path.join('fuzz', 'corpus', target)];
    const limits = [`-max_total_time=${seconds}`, '-timeout=20', '-print_final_stats=1'];
    // cargo-fuzz expects the arguments that cargo would pass.
    const nightly = ['run', 'nightly', cargoFuzz, 'fuzz', 'run'];
    await run('rustup', [...nightly, target, ...corpora, '--', ...limits]);
  }
});

/** Whether rustup is installed, with a nightly toolchain. */
function hasNightly() {
  return spawnSync('rustup', ['run', 'nightly', 'cargo', '--version']).status === 0;
}
