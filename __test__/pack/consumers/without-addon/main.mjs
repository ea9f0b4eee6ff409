// Installed without its platform package: everything works but the calls.
import { CODEX_CLI_PROVIDER, renderCodexCliImage } from 'codex-image/open-design';
import { CODEX_IMAGE_GEN_MODEL } from 'codex-image/open-design/models';

const drawing = renderCodexCliImage({ surface: 'image', prompt: 'a red fox' });
const failure = await drawing.catch((error) => error.code);
const ids = [CODEX_CLI_PROVIDER.id, CODEX_IMAGE_GEN_MODEL.id];
console.log(JSON.stringify({ failure, ids }));
