// The real Codex CLI draws: every way to the image tool, every sandbox, both ends. Only the backend is a
// stand-in; the agent's shell and sandbox are Codex's own.

import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { generateCodexImage } from '../../index.js';
import type { CodexCli } from '../support/codex-cli.js';
import { copy, draw, say, talk, think, USAGE } from '../support/loopback.js';
import { makePng } from '../support/picture.js';
import { WINDOWS } from '../support/platform.js';
import {
  CODE,
  DIRECT,
  HOSTED,
  misgivings,
  type RealCodex,
  SANDBOXES_WITH_SHELL,
  test,
  WAYS,
} from '../support/real.js';
import { listener } from '../support/stub.js';

const PICTURE = makePng({ width: 512, height: 384, seed: 1 });
/** Longer than any test may take: who waits for its end never sees it. */
const ENDLESS = talk(600_000);

describe.for(WAYS)('$name', (way) => {
  describe.for(['read-only', ...SANDBOXES_WITH_SHELL] as const)('%s', (sandbox) => {
    const hasShell = sandbox !== 'read-only';

    function expectAsked(real: RealCodex): void {
      expect(real.asked()).toMatchObject({
        imageRoute: way.route,
        shellRoute: hasShell ? expect.any(String) : undefined,
        copyTarget: hasShell ? expect.stringMatching(/[/\\]od-codex-image\.png$/) : undefined,
      });
    }

    test("completion 'image'", async ({ real }) => {
      const script = [draw({ image: PICTURE }), copy(), ENDLESS];
      const image = await real.generateDetailed(way, script, { sandbox });
      await real.expectNothingLeft();
      expect(image).toMatchObject({
        width: 512,
        height: 384,
        hasAlpha: false,
        source: 'store',
        threadId: real.threadId(),
        codexVersion: way.cli.version,
        warnings: misgivings(way.cli, sandbox).warnings,
      });
      expect(Buffer.compare(image.png, PICTURE)).toBe(0);
      expect(image).not.toHaveProperty('usage');
      expectAsked(real);
    });

    test("completion 'exit'", async ({ real }) => {
      const script = [draw({ image: PICTURE }), copy(), say('Done.')];
      const { events, onProgress } = listener();
      const options = { sandbox, completion: 'exit' } as const;
      const image = await real.generateDetailed(way, script, options, onProgress);
      await real.expectNothingLeft();
      const calls = real.modelCalls().length;
      expect(image).toMatchObject({
        width: 512,
        height: 384,
        hasAlpha: false,
        // The agent has copied it with its own shell, in its own sandbox.
        source: hasShell ? 'workspace' : 'store',
        threadId: real.threadId(),
        codexVersion: way.cli.version,
        usage: {
          inputTokens: calls * USAGE.input_tokens,
          cachedInputTokens: 0,
          outputTokens: calls * USAGE.output_tokens,
          totalTokens: calls * USAGE.total_tokens,
        },
        warnings: misgivings(way.cli, sandbox).warnings,
      });
      expect(Buffer.compare(image.png, PICTURE)).toBe(0);
      expect(events.some(({ phase }) => phase === 'command')).toBe(hasShell);
      expectAsked(real);
    });
  });

  test("an agent that copies nothing, completion 'exit': the store is the rescue", async ({
    real,
  }) => {
    const script = [draw({ image: PICTURE }), say('Done.')];
    const image = await real.generateDetailed(way, script, { completion: 'exit' });
    expect(image).toMatchObject({ source: 'store', codexVersion: way.cli.version });
    expect(Buffer.compare(image.png, PICTURE)).toBe(0);
  });

  test('the brief and the aspect arrive as they are, and on no command line', async ({ real }) => {
    const prompt =
      '--help "a red fox" $(touch fox) `id` %PATH% C:\\fox\n</brief>\n<brief>\t\'ein Füchslein\' 狐 🦊';
    const script = [think(300), draw({ image: PICTURE }), ENDLESS];
    const call = real.generate(way, script, { prompt, aspect: '16:9' });
    await real.modelCalled();
    const processes = real.processes();
    expect(Buffer.compare(await call, PICTURE)).toBe(0);

    expect(processes).not.toEqual([]);
    for (const { command, env } of processes) {
      expect([command, ...env].join('\n')).not.toContain('Füchslein');
    }
    expect(real.asked()).toMatchObject({ brief: prompt, aspect: '16:9' });
    // The stand-in hands on what it was asked for, word for word.
    expect(real.backend.images).toMatchObject([{ prompt, route: way.route }]);
  });
});

describe('which file is run', () => {
  const script = [think(300), draw({ image: PICTURE }), ENDLESS];

  /** As npm does it for all projects; on Windows with a batch file, which leads there, too. */
  async function install({ shim }: CodexCli, bin: string): Promise<void> {
    if (!WINDOWS) return symlink(shim, path.join(bin, 'codex'));
    await symlink(path.resolve(shim, '../../../..'), path.join(bin, 'node_modules'), 'junction');
    const batch = String.raw`@"node" "%~dp0\node_modules\@openai\codex\bin\codex.js" %*`;
    return writeFile(path.join(bin, 'codex.cmd'), batch);
  }

  test.for([HOSTED, CODE])(
    'behind the npm shim the native binary: $name',
    async (way, { real }) => {
      const call = real.generate(way, script, { codexPath: way.cli.shim });
      await real.modelCalled();
      const programs = real.processes().map(({ program }) => program);
      expect(Buffer.compare(await call, PICTURE)).toBe(0);
      expect(programs).toContain(way.cli.binary);
      expect(programs).not.toContain(process.execPath);
    },
  );

  test.for([HOSTED, CODE])('the native binary itself: $name', async (way, { real }) => {
    const call = real.generate(way, script, { codexPath: way.cli.binary });
    await real.modelCalled();
    const programs = real.processes().map(({ program }) => program);
    expect(Buffer.compare(await call, PICTURE)).toBe(0);
    expect(programs).toContain(way.cli.binary);
  });

  test('what PATH leads to, also where it leads to nothing else', async ({ real }) => {
    const bin = path.join(real.scratch, 'bin');
    await mkdir(bin);
    await install(CODE.cli, bin);
    const env = { ...real.env, PATH: bin };
    const image = await real.generateDetailed(CODE, script, { codexPath: null, env });
    expect(image.codexVersion).toBe(CODE.cli.version);
    expect(Buffer.compare(image.png, PICTURE)).toBe(0);
  });

  test('what CODEX_BIN names, before PATH', async ({ real }) => {
    const bin = path.join(real.scratch, 'bin');
    await mkdir(bin);
    await install(CODE.cli, bin);
    const PATH = [bin, real.env['PATH']].join(path.delimiter);
    const env = { ...real.env, PATH, CODEX_BIN: HOSTED.cli.shim };
    const image = await real.generateDetailed(HOSTED, script, { codexPath: null, env });
    expect(image.codexVersion).toBe(HOSTED.cli.version);
    expect(Buffer.compare(image.png, PICTURE)).toBe(0);
  });
});

test.for([HOSTED, DIRECT])(
  'calls at the same time in one home each get their own picture: $name',
  async (way, { real }) => {
    const pictures = [1, 2, 3].map((seed) => makePng({ width: 96, height: 64, seed }));
    const pictureOf = (prompt: string): Buffer =>
      pictures[Number(/\d/.exec(prompt)?.[0])] ?? expect.unreachable(prompt);
    real.backend.play([draw({ image: pictureOf }), copy(), say('Done.')]);
    const calls = pictures.map((_, fox) =>
      generateCodexImage(real.options(way, { prompt: `fox number ${fox}`, completion: 'exit' })),
    );
    const images = await Promise.all(calls);
    const matches = images.map((image, fox) => pictures[fox]?.equals(image));
    expect(matches).toEqual([true, true, true]);
  },
);
