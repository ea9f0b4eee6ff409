// The versions and routes on which the real CLI generates an image, and what differs between them.

import { expect } from 'vitest';

import type { GenerateOptions } from '../../../index.js';
import { type CodexCli, installCodex, NEWEST, OLDEST } from './codex-cli.js';
import type { Route } from '../loopback/backend.js';
import { LINUX, WINDOWS } from '../platform.js';

/** A version of the CLI, and the route on which it generates images. */
export interface Variant {
  name: string;
  route: Route;
  cli: CodexCli;
  /** If it is not the CLI's default. */
  model?: string;
}

// Installed before the time limit of any test starts: npm may have to download them.
const [HOSTED_CLI, OWN_CLI] = await Promise.all([installCodex(OLDEST), installCodex(NEWEST)]);

export const HOSTED: Variant = { name: `${OLDEST}, hosted tool`, route: 'hosted', cli: HOSTED_CLI };
export const CODE: Variant = { name: `${NEWEST}, code mode`, route: 'code', cli: OWN_CLI };
export const DIRECT: Variant = {
  name: `${NEWEST}, direct tool`,
  route: 'direct',
  cli: OWN_CLI,
  model: 'gpt-5.5',
};
export const VARIANTS: readonly Variant[] = [HOSTED, CODE, DIRECT];

/** The sandboxes in which an agent has a shell. Codex's sandbox for Windows is never used. */
export const SANDBOXES_WITH_SHELL = WINDOWS
  ? (['danger-full-access'] as const)
  : (['workspace-write', 'danger-full-access'] as const);

/** Whether that version confines the agent when this user runs it, and the warnings of a call. */
export function expectedWarnings(
  { version }: CodexCli,
  sandbox: GenerateOptions['sandbox'] = 'workspace-write',
): { confined: boolean; warnings: unknown[] } {
  if (WINDOWS || sandbox !== 'workspace-write') return { confined: true, warnings: [] };
  const [, minor = NaN, patch = NaN] = version.split('.').map(Number);
  const holdsRoot = minor > 153 || (minor === 153 && patch >= 4);
  const confined = holdsRoot || !LINUX || process.getuid?.() !== 0;
  const warnings = [
    ...(confined ? [] : [expect.stringMatching(/^The picture is not verified: .* as root\./)]),
    ...(minor < 140 ? [expect.stringMatching(/^This version of Codex lets .* memories/)] : []),
  ];
  return { confined, warnings };
}
