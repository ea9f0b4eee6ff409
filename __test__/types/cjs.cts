// A CommonJS consumer. Compiled, never run.

import codexImage = require('../../index.js');

async function uses(): Promise<Buffer> {
  const options: codexImage.GenerateOptions = { prompt: 'a red fox', signal: undefined };
  const image: codexImage.GeneratedImage = await codexImage.generateCodexImageDetailed(options);
  const needed: boolean = codexImage.codexNeedsDangerFullAccessSandbox('linux', {});
  // @ts-expect-error numbers are numbers
  void codexImage.generateCodexImage({ prompt: 'a red fox', timeoutMs: true });
  return needed ? image.png : codexImage.generateCodexImage(options);
}

export = uses;
