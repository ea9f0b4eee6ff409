// Loads the native addon when a command needs it, so that `--help` works without it.

/** Throws a `CodexImageLoadError` if it cannot be loaded. */
export async function loadAddon(): Promise<typeof import('codex-image')> {
  return import('codex-image');
}

/**
 * Height of a character cell of the terminal behind stderr divided by its width. Undefined if the
 * terminal does not report it.
 */
export async function terminalCellRatio(): Promise<number | undefined> {
  const { default: addon } = await import('#addon');
  return addon.terminalCellRatio() ?? undefined;
}
