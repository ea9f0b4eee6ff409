// The configuration layers of this machine's administrator, with the real Codex CLI. They are
// switched off for an image where possible, and make it unverified otherwise.

import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import type { GenerateOptions } from '../../index.js';
import { installCodex } from '../support/real/codex-cli.js';
import {
  checkInOwnProcess,
  generateInOwnProcess,
  mayOverlay,
  type Outcome,
  type Wrapper,
  withEtc,
} from '../support/process/own-process.js';
import { draw, say, type Script, shell } from '../support/loopback/backend.js';
import { makePng } from '../support/image/picture.js';
import { type RealCodex, test } from '../support/real/real.js';
import { CODE, type Variant } from '../support/real/variants.js';

const DRAWN = makePng({ width: 96, height: 64, seed: 1 });
const PLANTED = makePng({ width: 96, height: 64, seed: 2 });
const DRAWS = [draw({ image: DRAWN }), say('Done.')];

const EARLIER: Variant = {
  name: '0.169.0, code mode',
  route: 'code',
  cli: await installCodex('0.169.0'),
};
const VARIANTS = [EARLIER, CODE];

/** Shows these files in /etc/codex. */
async function administered(
  { scratch }: RealCodex,
  files: Record<string, string>,
): Promise<Wrapper> {
  await mkdir(path.join(scratch, 'etc', 'codex'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(path.join(scratch, 'etc', 'codex', name), text);
  }
  return withEtc(path.join(scratch, 'etc'));
}

/** The file that {@link server} leaves when it is started. */
function trace({ scratch }: RealCodex): string {
  return path.join(scratch, 'server-was-started');
}

function server(real: RealCodex, more = ''): string {
  const args = JSON.stringify(['-c', `touch '${trace(real)}'; exec cat`]);
  return `[mcp_servers.of-the-house]\ncommand = "/bin/sh"\nargs = ${args}\n${more}`;
}

const RELAY = [
  'model_provider = "relay"',
  '[model_providers.relay]',
  'name = "A relay"',
  'base_url = "http://127.0.0.1:9/v1"',
  'wire_api = "responses"',
].join('\n');

/** The agent needs no shell for it. */
const UNCONFINED = [
  'default_permissions = ":danger-full-access"',
  '[allowed_permission_profiles]',
  '":read-only" = true',
  '":workspace" = true',
  '":danger-full-access" = true',
].join('\n');

/** Puts an image into the store of every thread that has a rollout. */
function plant(real: RealCodex): Script {
  const { path: home } = real.home;
  const thread = '$(basename "$rollout" .jsonl | tail -c 37)';
  const command = [
    `for rollout in '${home}'/sessions/*/*/*/*.jsonl`,
    `do store='${home}'/generated_images/${thread}`,
    'mkdir -p "$store"',
    `echo ${PLANTED.toString('base64')} | base64 -d > "$store/planted.png"`,
    'done',
  ].join('; ');
  return [shell(command.replace('do; ', 'do ')), say('Done.')];
}

async function generate(
  real: RealCodex,
  variant: Variant,
  script: Script,
  wrapper: Wrapper,
  options: Partial<GenerateOptions> = {},
): Promise<Outcome> {
  real.backend.play(script);
  return generateInOwnProcess(real.options(variant, options), wrapper);
}

const BY_ADMINISTRATOR = expect.stringMatching(/^The picture is not verified: .*administrator/);
const OTHER_SANDBOX = expect.stringMatching(
  /^The picture is not verified: Codex did not run with the sandbox/,
);

// Replacing /etc needs Linux and the right to mount.
describe.skipIf(!mayOverlay())("an administrator's settings", () => {
  describe.for(['config.toml', 'managed_config.toml'])('in %s', (file) => {
    test.for(VARIANTS)('start no MCP server for an image: $name', async (variant, { real }) => {
      const wrapper = await administered(real, { [file]: server(real) });
      const { image } = await generate(real, variant, DRAWS, wrapper);
      expect(image).toMatchObject({ verified: true, warnings: [] });
      expect(existsSync(trace(real))).toBe(false);

      await generate(real, variant, DRAWS, wrapper, { lean: false });
      expect(existsSync(trace(real)), 'started where it is wanted').toBe(true);
    });

    test('are seen before a turn is spent if they name a relay without the tool', async ({
      real,
    }) => {
      const wrapper = await administered(real, { [file]: RELAY });
      const { error } = await generate(real, CODE, DRAWS, wrapper);
      expect(error).toMatchObject({ code: 'IMAGE_GEN_UNAVAILABLE' });
      expect(real.backend.requests).toEqual([]);
      const { codexPath, env } = real.options(CODE);
      const readiness = await checkInOwnProcess({ codexPath, env }, wrapper);
      expect(readiness.problems.map(({ code }) => code)).toEqual(['IMAGE_GEN_UNAVAILABLE']);
    });
  });

  test.for(VARIANTS)(
    'leave images unverified with a warning if they outrank the call: $name',
    async (variant, { real }) => {
      const managed = { 'managed_config.toml': server(real, 'enabled = true\n') };
      const wrapper = await administered(real, managed);
      const { image } = await generate(real, variant, DRAWS, wrapper);
      expect(image).toMatchObject({ verified: false, warnings: [BY_ADMINISTRATOR] });
      expect(existsSync(trace(real)), 'they do outrank it').toBe(true);
      const { error } = await generate(real, variant, DRAWS, wrapper, { requireVerified: true });
      expect(error).toMatchObject({ code: 'NO_IMAGE' });
    },
  );

  test.for(VARIANTS)(
    'are seen in the rollout if they enforce another sandbox: $name',
    async (variant, { real }) => {
      const wrapper = await administered(real, { 'requirements.toml': UNCONFINED });
      const planted = await generate(real, variant, plant(real), wrapper, { completion: 'exit' });
      expect(planted.image, 'the agent does get out').toMatchObject({
        source: 'store',
        verified: false,
        warnings: [OTHER_SANDBOX],
      });
      const options = { sandbox: 'read-only' } as const;
      const { image } = await generate(real, variant, DRAWS, wrapper, options);
      expect(image).toMatchObject({ verified: false, warnings: [OTHER_SANDBOX] });
    },
  );
});
