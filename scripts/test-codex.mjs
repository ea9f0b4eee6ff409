// `npm run test:codex`: runs every case with every supported version of the real Codex CLI, and
// writes COMPATIBILITY.md. `npm run test:codex -- 0.172.0` runs only these versions, supported or
// not, writes nothing, and prints their rows with what has changed in bold. Other arguments go to
// vitest (`npm run test:codex -- causes`).

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { ensureAddon, ensureDependencies, main, tool } from './bootstrap.mjs';

await main(async () => {
  await ensureDependencies();
  await ensureAddon();
  const isVersion = (/** @type {string} */ text) => /^\d+\.\d+\.\d+/.test(text);
  const versions = process.argv.slice(2).filter((arg) => isVersion(arg));
  const rest = process.argv.slice(2).filter((arg) => !isVersion(arg));
  const vitest = () => tool('vitest', 'run', '--config', 'vitest.codex.config.mts', ...rest);
  await (versions.length === 0 ? vitest() : withRows(versions, vitest));
});

/**
 * @param {readonly string[]} versions
 * @param {() => Promise<void>} vitest
 */
async function withRows(versions, vitest) {
  const directory = mkdtempSync(path.join(tmpdir(), 'codex-image-rows-'));
  const rows = path.join(directory, 'rows.md');
  Object.assign(process.env, {
    CODEX_IMAGE_TEST_VERSIONS: versions.join(' '),
    CODEX_IMAGE_TEST_ROWS: rows,
  });
  try {
    await vitest();
  } finally {
    if (existsSync(rows)) console.log(`\n${readFileSync(rows, 'utf8')}`);
    rmSync(directory, { recursive: true });
  }
}
