import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';

import type { RuntimeAgentDef } from './defs/codex.js';

/** `CODEX_BIN` if it can be run, else what PATH has, else null. */
export function resolveAgentExecutable(
  def: RuntimeAgentDef,
  configuredEnv: Record<string, string> = {},
): string | null {
  const configured = configuredEnv.CODEX_BIN ?? process.env.CODEX_BIN ?? '';
  if (path.isAbsolute(configured) && isExecutable(configured)) return configured;
  const found = (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((dir) => path.join(dir, def.bin));
  return found.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
