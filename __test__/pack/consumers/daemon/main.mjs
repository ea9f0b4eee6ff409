// Bundled as Open Design bundles its daemon: the package is external, and a call loads the addon.
import { CODEX_CLI_PROVIDER, renderCodexCliImage } from 'codex-image/open-design';
import { CODEX_IMAGE_GEN_MODEL } from 'codex-image/open-design/models';

const { prompt, env } = JSON.parse(process.argv[2] ?? '');
const context = { surface: 'image', prompt };
const { bytes } = await renderCodexCliImage(context, null, { environment: env });
const ids = [CODEX_CLI_PROVIDER.id, CODEX_IMAGE_GEN_MODEL.id];
console.log(JSON.stringify({ png: bytes.toString('base64'), ids }));
