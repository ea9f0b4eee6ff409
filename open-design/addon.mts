// Loads the native addon, when a call needs it.

import { renderError } from './errors.mjs';

/** What is wrong where the addon cannot be loaded, and what to do: one line for end users each. */
export const ADDON_UNAVAILABLE = {
  code: 'CODEX_IMAGE_ADDON_UNAVAILABLE',
  message: 'The Codex image addon is not installed for this system, or cannot be loaded.',
  fix: 'Reinstall OpenDesign, or choose another image model.',
} as const;

/** Imported by the call, so that a machine without the addon fails this call and nothing else. */
export async function loadAddon(): Promise<typeof import('codex-image')> {
  try {
    return await import('codex-image');
  } catch (cause) {
    const { code, message, fix } = ADDON_UNAVAILABLE;
    // 424, as for a missing Codex: something has to be installed. A 503 would promise that it comes
    // back by itself.
    throw renderError(code, 424, `${message} ${fix}`, { cause });
  }
}
