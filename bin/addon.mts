// Loads the native addon when a command needs it, so that `--help` works without it.

import { CommandError } from './failure.mjs';

export type Addon = typeof import('codex-image');

/** Exports of the addon that are not part of its public API. */
interface CommandLineOnly {
  terminalCellRatio(): number | null;
}

/**
 * Height of a character cell of the terminal behind stderr divided by its width. Undefined if the
 * terminal does not report it.
 */
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
