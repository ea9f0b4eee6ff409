import { generateCodexImage } from 'codex-image';
import { CODEX_CLI_PROVIDER } from 'codex-image/open-design';
import { CODEX_IMAGE_GEN_MODEL } from 'codex-image/open-design/models';

const png = await generateCodexImage(JSON.parse(process.argv[2] ?? ''));
const ids = [CODEX_CLI_PROVIDER.id, CODEX_IMAGE_GEN_MODEL.id];
console.log(JSON.stringify({ png: png.toString('base64'), ids }));
