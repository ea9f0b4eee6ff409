// Loads the native addon when a call needs it.

import type { CodexImageLoadError } from 'codex-image';

import { renderError } from './errors.mjs';

/** The problem of a machine without the addon, for end users. */
export interface AddonProblem {
  code: CodexImageLoadError['code'];
  message: string;
  fix: string;
}

/** Imports the addon during a call: on a machine without it, only that call fails. */
export async function loadAddon(): Promise<typeof import('codex-image')> {
  try {
    return await import('codex-image');
  } catch (cause) {
    const { code, message, fix } = problemOf(cause);
    // 424, as for a missing Codex: something has to be installed. A 503 would suggest waiting.
    throw renderError({ code, status: 424 }, `${message} ${fix}`, cause);
  }
}

/**
 * Returns the problem with which the import failed. Of the fix, the users of a packaged product
 * can carry out nothing.
 */
export function problemOf(cause: unknown): AddonProblem {
  const { problem } = cause as Partial<CodexImageLoadError>;
  return {
    code: 'CODEX_IMAGE_ADDON_UNAVAILABLE',
    // Without a problem, it is the package itself that is missing, or a part of it.
    message: problem ?? 'The Codex image addon is not installed.',
    fix: 'Reinstall OpenDesign, or choose another image model.',
  };
}
