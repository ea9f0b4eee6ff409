// A CommonJS consumer. Compiled, never run.

import codexImage = require('../../index.js');

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

export = uses;
