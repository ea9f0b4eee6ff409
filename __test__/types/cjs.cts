// A CommonJS consumer. Compiled, never run.

import codexImage = require('../../index.js');
import openDesign = require('../../dist/open-design.js');
import models = require('../../dist/models.js');

async function uses(): Promise<Buffer> {
  const options: codexImage.GenerateOptions = { prompt: 'a red fox', signal: undefined };
  const image: codexImage.GeneratedImage = await codexImage.generateCodexImageDetailed(options);
  const needed: boolean = codexImage.codexNeedsDangerFullAccessSandbox('linux', {});
  const found: codexImage.Readiness = await codexImage.checkCodex({ config: null });
  if (found.ready) await codexImage.recoverCodexImage({ threadId: image.threadId ?? '' });
  codexImage.setMaxConcurrentRuns(2);
  // @ts-expect-error numbers are numbers
  void codexImage.generateCodexImage({ prompt: 'a red fox', timeoutMs: true });
  return needed ? image.png : codexImage.generateCodexImage(options);
}

async function draws(context: openDesign.RenderContext): Promise<Buffer> {
  const provider: 'codex-cli' = models.CODEX_IMAGE_GEN_MODEL.provider;
  const overrides: openDesign.RenderOverrides = { environment: process.env, executable: null };
  const image = await openDesign.renderCodexCliImage(context, console.log, overrides);
  // @ts-expect-error there is no placeholder
  void image.stub;
  return provider === openDesign.CODEX_CLI_PROVIDER.id ? image.bytes : Buffer.alloc(0);
}

export = { uses, draws };
