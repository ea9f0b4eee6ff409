// Compiled and not run: the types, as CommonJS sees them.
import codexImage = require('codex-image');
import openDesign = require('codex-image/open-design');
import models = require('codex-image/open-design/models');

const draw: (options: codexImage.GenerateOptions) => Promise<Buffer> =
  codexImage.generateCodexImage;
const provider: openDesign.MediaProvider = openDesign.CODEX_CLI_PROVIDER;
const model: models.MediaModel = models.CODEX_IMAGE_GEN_MODEL;

export = { draw, provider, model };
