// Defines the Codex CLI and the environment that the daemon has resolved.

import { read } from './read.mjs';

/** The Codex CLI and its environment. Absent members default as for `generateCodexImage`. */
export interface CodexOverrides {
  /** Absolute path of the Codex CLI that the daemon has found; null if it found none. */
  executable?: string | null | undefined;
  /** The environment of Codex; `process.env` by default. */
  environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** The user's saved settings for Codex, which override `environment`. */
  agentCliEnv?: Readonly<Record<string, string | undefined>> | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Merges the environment and the user's settings. */
export function environmentOf(overrides: CodexOverrides): Environment {
  return Object.assign(
    Object.create(null),
    read(overrides, 'environment') ?? process.env,
    read(overrides, 'agentCliEnv'),
  );
}
