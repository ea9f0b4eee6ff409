// Checks whether this machine can draw, for a picker that shows the model.

import type { ReadinessProblem } from 'codex-image';

import { ADDON_UNAVAILABLE, loadAddon } from './addon.mjs';
import { type CodexOverrides, environmentOf } from './environment.mjs';
import type { CodexCliImageError } from './errors.mjs';
import { read } from './read.mjs';

/** Something that keeps this machine from drawing, or a hint. Safe to show. */
export interface CodexCliProblem {
  /** The code with which a render would fail, or that of a hint. */
  code: ReadinessProblem['code'] | 'CODEX_IMAGE_ADDON_UNAVAILABLE';
  /** What is wrong, in one line for end users. */
  message: string;
  /** What to do, in one line for end users. */
  fix: string;
  /** Whether it keeps this machine from drawing; otherwise it is a hint. */
  blocking: boolean;
}

/** Whether this machine can draw, and what to do if not. Names no path. */
export interface CodexCliReadiness {
  /** Whether nothing is known to keep this machine from drawing. */
  ready: boolean;
  problems: CodexCliProblem[];
}

/** How long an answer is kept. Short, so that a new login shows soon. */
const MAX_AGE_MS = 10_000;

let latest: { question: string; askedAt: number; answer: Promise<CodexCliReadiness> } | undefined;

/**
 * Finds out whether this machine can draw. Offline and free. Consecutive calls with the same
 * settings share one answer for ten seconds. A missing addon is a problem like the others.
 */
export async function checkCodexCli(overrides: CodexOverrides = {}): Promise<CodexCliReadiness> {
  const options = { codexPath: read(overrides, 'executable'), env: environmentOf(overrides) };
  const question = JSON.stringify(options);
  const now = performance.now();
  if (latest?.question === question && now - latest.askedAt < MAX_AGE_MS) return latest.answer;

  const asked = { question, askedAt: now, answer: check(options) };
  latest = asked;
  // A failure is not kept.
  asked.answer.catch(() => {
    if (latest === asked) latest = undefined;
  });
  return asked.answer;
}

async function check(options: object): Promise<CodexCliReadiness> {
  try {
    const { checkCodex } = await loadAddon();
    const { ready, problems } = await checkCodex(options);
    return { ready, problems };
  } catch (error) {
    if ((error as CodexCliImageError).code !== ADDON_UNAVAILABLE.code) throw error;
    return { ready: false, problems: [{ ...ADDON_UNAVAILABLE, blocking: true }] };
  }
}
