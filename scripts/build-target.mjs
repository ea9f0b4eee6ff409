// `npm run build:target -- x86_64-unknown-linux-gnu`: the addon as it is published for that target, or for this machine's if none
// is named, in `artifacts/`. Linux is linked by zig, which knows every glibc and musl; macOS and Windows by their own tools.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { ensureDependencies, main, Refusal, root, tool } from './bootstrap.mjs';
import { assertGlibcFloor, PROMISED_GLIBC } from './glibc.mjs';
import { ensurePython, ZIG } from './python.mjs';

const ARTIFACTS = 'artifacts';

await main(async () => {
  const { napi } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const target = process.argv[2] ?? hostTarget();
  if (!napi.targets.includes(target)) {
    throw new Refusal(`${target} is not published. What is: ${napi.targets.join(', ')}`);
  }
  await ensureDependencies();

  // The loader and its types are the committed ones, for every target.
  const build = ['build', '--platform', '--release', '--no-js', '--output-dir', ARTIFACTS];
  if (!target.includes('linux')) {
    await tool('@napi-rs/cli', ...build, '--target', target);
    return;
  }
  const bin = await ensurePython(ZIG);
  const cache = path.join(root, '.cache', 'zig');
  Object.assign(process.env, {
    PATH: [bin, process.env['PATH']].join(path.delimiter),
    CARGO_ZIGBUILD_CACHE_DIR: cache,
    ZIG_GLOBAL_CACHE_DIR: cache,
  });
  const gnu = target.endsWith('-gnu');
  const linked = gnu ? `${target}.${PROMISED_GLIBC}` : target;
  await tool('@napi-rs/cli', ...build, '--cross-compile', '--target', linked);
  if (gnu) {
    const arch = target.startsWith('x86_64') ? 'x64' : 'arm64';
    assertGlibcFloor(path.join(root, ARTIFACTS, `${napi.binaryName}.linux-${arch}-gnu.node`));
  }
});

/** This machine's, as far as Rust is concerned. */
function hostTarget() {
  const about = execFileSync('rustc', ['--version', '--verbose'], { encoding: 'utf8' });
  return /^host: (.*)$/m.exec(about)?.[1] ?? '';
}
