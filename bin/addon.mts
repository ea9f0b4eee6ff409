// Loads the native addon when a command needs it, so that `--help` works without it.

/** Throws a `CodexImageLoadError` if it cannot be loaded. */
export async function loadAddon(): Promise<typeof import('codex-image')> {
  return import('codex-image');
}

/**
 * Size in pixels of a character cell of the terminal behind stderr. Undefined if the terminal does
 * not report it.
 */
export async function terminalCell(): Promise<{ width: number; height: number } | undefined> {
  const { default: addon } = await import('#addon');
  const [width, height] = addon.terminalCell() ?? [];
  return width === undefined || height === undefined ? undefined : { width, height };
}

/**
 * The features that the terminal behind stdin and stderr says it has, as the numbers of its primary
 * device attributes. Empty if it does not answer, or cannot be asked now.
 */
export async function terminalAttributes(): Promise<number[]> {
  const { default: addon } = await import('#addon');
  return addon.terminalAttributes();
}
