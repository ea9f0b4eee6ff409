// Known facts of each version.

import { type CodexCli, installCodex, SUPPORTED } from '../../support/real/codex-cli.js';
import type { Variant } from '../../support/real/variants.js';

export interface Version extends Variant {
  /** Draws with OpenAI's hosted tool (to 0.142). Later versions request the image themselves. */
  hosted: boolean;
  /** Saves a hosted image whose status stayed `generating` (0.140 and 0.141 do not). */
  savesUnfinished: boolean;
  /** Its tool has an argument for a transparent background (seen in 0.169.0, not in 0.150.1). */
  transparentTool: boolean;
}

function versionOf(cli: CodexCli): Version {
  const [, minor = NaN] = cli.version.split('.').map(Number);
  const hosted = minor < 143;
  return {
    name: cli.version,
    cli,
    hosted,
    savesUnfinished: hosted && minor !== 140 && minor !== 141,
    transparentTool: minor >= 160,
    route: hosted ? 'hosted' : 'code',
  };
}

/** The versions that `npm run test:codex -- VERSION` names. */
const ASKED = process.env['CODEX_IMAGE_TEST_VERSIONS']?.split(' ');

/**
 * Oldest first. Installed before the time limit of any test starts: npm may have to download them.
 */
export const VERSIONS = (await Promise.all((ASKED ?? SUPPORTED).map(installCodex))).map(versionOf);
