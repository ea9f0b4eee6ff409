// Checks whether this machine can draw, for a picker that shows the model.

import type { ReadinessProblem } from 'codex-image';

import { loadAddon, problemOf } from './addon.mjs';
import { type CodexOverrides, environmentOf } from './environment.mjs';
import type { CodexCliImageError } from './errors.mjs';
import { read } from './read.mjs';

/** A problem that keeps this machine from drawing, or a hint. Safe to show. */
export interface CodexCliProblem {
  /** The code with which a render would fail, or that of a hint. */
  code: ReadinessProblem['code'] | 'CODEX_IMAGE_ADDON_UNAVAILABLE';
  /** The problem, in one line for end users. */
  message: string;
  /** The fix, in one line for end users. */
  fix: string;
  /** Whether the problem keeps this machine from drawing; otherwise it is a hint. */
  blocking: boolean;
}

/** The result of a check whether this machine can draw. Contains no path. */
export interface CodexCliReadiness {
  /** Whether nothing is known to keep this machine from drawing. */
  ready: boolean;
  problems: CodexCliProblem[];
}

/** Time for which a result is cached. Short, so that a new login is noticed soon. */
const MAX_AGE_MS = 10_000;

let latest: { key: string; startedAt: number; readiness: Promise<CodexCliReadiness> } | undefined;

/**
 * Checks whether this machine can draw. Offline and free. Consecutive calls with the same settings
 * share one result for ten seconds. A missing addon is reported as a problem.
 */
export async function checkCodexCli(overrides: CodexOverrides = {}): Promise<CodexCliReadiness> {
  const options = { codexPath: read(overrides, 'executable'), env: environmentOf(overrides) };
  const key = JSON.stringify(options);
  const now = performance.now();
  if (latest?.key === key && now - latest.startedAt < MAX_AGE_MS) return latest.readiness;

  const entry = { key, startedAt: now, readiness: check(options) };
  latest = entry;
  // A failure is not cached.
  entry.readiness.catch(() => {
    if (latest === entry) latest = undefined;
  });
  return entry.readiness;
}

async function check(options: object): Promise<CodexCliReadiness> {
  try {
    const { checkCodex } = await loadAddon();
    const { ready, problems } = await checkCodex(options);
    return { ready, problems };
  } catch (error) {
    const { code, cause } = error as CodexCliImageError;
    if (code !== 'CODEX_IMAGE_ADDON_UNAVAILABLE') throw error;
    return { ready: false, problems: [{ ...problemOf(cause), blocking: true }] };
  }
}
