// Loads the native addon when a call needs it.

import { renderError } from './errors.mjs';

/** The error if the addon cannot be loaded, with its fix; for end users. */
export const ADDON_UNAVAILABLE = {
  code: 'CODEX_IMAGE_ADDON_UNAVAILABLE',
  message: 'The Codex image addon is not installed for this system, or cannot be loaded.',
  fix: 'Reinstall OpenDesign, or choose another image model.',
} as const;

/** Imports the addon during a call: on a machine without it, only that call fails. */
export async function loadAddon(): Promise<typeof import('codex-image')> {
  try {
    return await import('codex-image');
  } catch (cause) {
    const { code, message, fix } = ADDON_UNAVAILABLE;
    // 424, as for a missing Codex: something has to be installed. A 503 would suggest waiting.
    throw renderError({ code, status: 424 }, `${message} ${fix}`, cause);
  }
}
