// Which Codex, and whose: what the daemon has resolved, and the user's settings.

import { read } from './read.mjs';

/** Which Codex, and whose. Whatever is left out is decided as `generateCodexImage` does. */
export interface CodexOverrides {
  /** Absolute path of the Codex CLI, as the daemon's own search has it; null if it found none. */
  executable?: string | null | undefined;
  /** The environment of Codex; by default `process.env`. */
  environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** The user's saved settings for Codex. They win over `environment`. */
  agentCliEnv?: Readonly<Record<string, string | undefined>> | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment with the user's settings over it. */
export function environmentOf(overrides: CodexOverrides): Environment {
  return Object.assign(
    Object.create(null),
    read(overrides, 'environment') ?? process.env,
    read(overrides, 'agentCliEnv'),
  );
}
