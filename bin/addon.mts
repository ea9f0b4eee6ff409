// Loads the native addon when a command needs it. `--help` works without it, and if it is missing
// the error is one sentence.

import { CommandError } from './failure.mjs';

export type Addon = typeof import('codex-image');

/** Exported by the addon, but no part of its public API. */
interface CommandLineOnly {
  terminalCellRatio(): number | null;
}

/** Height to width of a character cell of the terminal behind stderr, where it tells. */
export async function terminalCellRatio(): Promise<number | undefined> {
  const addon = (await loadAddon()) as Addon & { default: CommandLineOnly };
  return addon.default.terminalCellRatio() ?? undefined;
}

export async function loadAddon(): Promise<Addon> {
  try {
    return await import('codex-image');
  } catch (error) {
    const { platform, arch } = process;
    throw new CommandError(
      'CODEX_IMAGE_ADDON_UNAVAILABLE',
      `The native addon of codex-image for ${platform}-${arch} cannot be loaded. ` +
        'Install the package anew, with its optional dependencies',
      {},
      error instanceof Error ? error.stack : String(error),
    );
  }
}
