// The real Codex CLI draws on every route to the image tool, in every sandbox, with both
// completions. Only the backend is none of OpenAI's.

import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { generateCodexImage } from '../../index.js';
import type { CodexCli } from '../support/real/codex-cli.js';
import { copy, draw, say, talk, think, USAGE } from '../support/loopback/backend.js';
import { makePng } from '../support/image/picture.js';
import { WINDOWS } from '../support/platform.js';
import { type RealCodex, test } from '../support/real/real.js';
import {
  CODE,
  DIRECT,
  HOSTED,
  expectedWarnings,
  SANDBOXES_WITH_SHELL,
  VARIANTS,
} from '../support/real/variants.js';
import { listener } from '../support/call/outcome.js';

const PICTURE = makePng({ width: 512, height: 384, seed: 1 });
/** Longer than any test. */
const ENDLESS = talk(600_000);

describe.for(VARIANTS)('a call with Codex $name', (variant) => {
  describe.for(['read-only', ...SANDBOXES_WITH_SHELL] as const)('%s', (sandbox) => {
    const hasShell = sandbox !== 'read-only';

    function expectAsked(real: RealCodex): void {
      expect(real.asked()).toMatchObject({
        imageRoute: variant.route,
        shellRoute: hasShell ? expect.any(String) : undefined,
        copyTarget: hasShell ? expect.stringMatching(/[/\\]od-codex-image\.png$/) : undefined,
      });
    }

    test("returns the image and its facts, completion 'image'", async ({ real }) => {
      const script = [draw({ image: PICTURE }), copy(), ENDLESS];
      const image = await real.generateDetailed(variant, script, { sandbox });
      await real.expectNothingLeft();
      expect(image).toMatchObject({
        width: 512,
        height: 384,
        hasAlpha: false,
        source: 'store',
        threadId: real.threadId(),
        codexVersion: variant.cli.version,
        warnings: expectedWarnings(variant.cli, sandbox).warnings,
      });
      expect(Buffer.compare(image.png, PICTURE)).toBe(0);
      expect(image).not.toHaveProperty('usage');
      expectAsked(real);
    });

    test("returns the image and its facts, completion 'exit'", async ({ real }) => {
      const script = [draw({ image: PICTURE }), copy(), say('Done.')];
      const { events, onProgress } = listener();
      const options = { sandbox, completion: 'exit' } as const;
      const image = await real.generateDetailed(variant, script, options, onProgress);
      await real.expectNothingLeft();
      const calls = real.modelCalls().length;
      expect(image).toMatchObject({
        width: 512,
        height: 384,
        hasAlpha: false,
        // The agent copied it with its own shell, in its own sandbox.
        source: hasShell ? 'workspace' : 'store',
        threadId: real.threadId(),
        codexVersion: variant.cli.version,
        usage: {
          inputTokens: calls * USAGE.input_tokens,
          cachedInputTokens: 0,
          outputTokens: calls * USAGE.output_tokens,
          totalTokens: calls * USAGE.total_tokens,
        },
        warnings: expectedWarnings(variant.cli, sandbox).warnings,
      });
      expect(Buffer.compare(image.png, PICTURE)).toBe(0);
      expect(events.some(({ phase }) => phase === 'command')).toBe(hasShell);
      expectAsked(real);
    });
  });

  test("takes the store's image if the agent copies nothing, completion 'exit'", async ({
    real,
  }) => {
    const script = [draw({ image: PICTURE }), say('Done.')];
    const image = await real.generateDetailed(variant, script, { completion: 'exit' });
    expect(image).toMatchObject({ source: 'store', codexVersion: variant.cli.version });
    expect(Buffer.compare(image.png, PICTURE)).toBe(0);
  });

  test('passes the prompt and the aspect unchanged, and on no command line', async ({ real }) => {
    const prompt =
      '--help "a red fox" $(touch fox) `id` %PATH% C:\\fox\n</brief>\n<brief>\t\'ein Füchslein\' 狐 🦊';
    const script = [think(300), draw({ image: PICTURE }), ENDLESS];
    const call = real.generate(variant, script, { prompt, aspect: '16:9' });
    await real.modelCalled();
    const processes = real.processes();
    expect(Buffer.compare(await call, PICTURE)).toBe(0);

    expect(processes).not.toEqual([]);
    for (const { command, env } of processes) {
      expect([command, ...env].join('\n')).not.toContain('Füchslein');
    }
    expect(real.asked()).toMatchObject({ brief: prompt, aspect: '16:9' });
    // The backend received the prompt unchanged.
    expect(real.backend.images).toMatchObject([{ prompt, route: variant.route }]);
  });
});

describe('the file that is run', () => {
  const script = [think(300), draw({ image: PICTURE }), ENDLESS];

  /** Links the launcher as npm does for global packages. On Windows that is a batch file. */
  async function install({ launcher }: CodexCli, bin: string): Promise<void> {
    if (!WINDOWS) return symlink(launcher, path.join(bin, 'codex'));
    await symlink(
      path.resolve(launcher, '../../../..'),
      path.join(bin, 'node_modules'),
      'junction',
    );
    const batch = String.raw`@"node" "%~dp0\node_modules\@openai\codex\bin\codex.js" %*`;
    return writeFile(path.join(bin, 'codex.cmd'), batch);
  }

  test.for([HOSTED, CODE])(
    'is the native binary behind the npm launcher: $name',
    async (variant, { real }) => {
      const call = real.generate(variant, script, { codexPath: variant.cli.launcher });
      await real.modelCalled();
      const programs = real.processes().map(({ program }) => program);
      expect(Buffer.compare(await call, PICTURE)).toBe(0);
      expect(programs).toContain(variant.cli.binary);
      expect(programs).not.toContain(process.execPath);
    },
  );

  test.for([HOSTED, CODE])(
    'is the native binary where codexPath names it: $name',
    async (variant, { real }) => {
      const call = real.generate(variant, script, { codexPath: variant.cli.binary });
      await real.modelCalled();
      const programs = real.processes().map(({ program }) => program);
      expect(Buffer.compare(await call, PICTURE)).toBe(0);
      expect(programs).toContain(variant.cli.binary);
    },
  );

  test('is the one on PATH, even if PATH has nothing else', async ({ real }) => {
    const bin = path.join(real.scratch, 'bin');
    await mkdir(bin);
    await install(CODE.cli, bin);
    const env = { ...real.env, PATH: bin };
    const image = await real.generateDetailed(CODE, script, { codexPath: null, env });
    expect(image.codexVersion).toBe(CODE.cli.version);
    expect(Buffer.compare(image.png, PICTURE)).toBe(0);
  });

  test('is CODEX_BIN before PATH', async ({ real }) => {
    const bin = path.join(real.scratch, 'bin');
    await mkdir(bin);
    await install(CODE.cli, bin);
    const PATH = [bin, real.env['PATH']].join(path.delimiter);
    const env = { ...real.env, PATH, CODEX_BIN: HOSTED.cli.launcher };
    const image = await real.generateDetailed(HOSTED, script, { codexPath: null, env });
    expect(image.codexVersion).toBe(HOSTED.cli.version);
    expect(Buffer.compare(image.png, PICTURE)).toBe(0);
  });
});

test.for([HOSTED, DIRECT])(
  'concurrent calls in one home each get their own image: $name',
  async (variant, { real }) => {
    const pictures = [1, 2, 3].map((seed) => makePng({ width: 96, height: 64, seed }));
    const pictureOf = (prompt: string): Buffer =>
      pictures[Number(/\d/.exec(prompt)?.[0])] ?? expect.unreachable(prompt);
    real.backend.play([draw({ image: pictureOf }), copy(), say('Done.')]);
    const calls = pictures.map((_, fox) =>
      generateCodexImage(
        real.options(variant, { prompt: `fox number ${fox}`, completion: 'exit' }),
      ),
    );
    const images = await Promise.all(calls);
    const matches = images.map((image, fox) => pictures[fox]?.equals(image));
    expect(matches).toEqual([true, true, true]);
  },
);
