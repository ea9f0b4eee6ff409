const { generateCodexImage } = require('codex-image');
const { CODEX_CLI_PROVIDER } = require('codex-image/open-design');
const { CODEX_IMAGE_GEN_MODEL } = require('codex-image/open-design/models');

async function main() {
  const png = await generateCodexImage(JSON.parse(process.argv[2] ?? ''));
  const ids = [CODEX_CLI_PROVIDER.id, CODEX_IMAGE_GEN_MODEL.id];
  console.log(JSON.stringify({ png: png.toString('base64'), ids }));
}

main();
