// Bundled as Open Design bundles its daemon: the package stays outside, and the addon is loaded by the call that needs it.
import { CODEX_CLI_PROVIDER, renderCodexCliImage } from 'codex-image/open-design';
import { CODEX_IMAGE_GEN_MODEL } from 'codex-image/open-design/models';

const { prompt, env } = JSON.parse(process.argv[2] ?? '');
const context = { surface: 'image', prompt };
const { bytes } = await renderCodexCliImage(context, null, { environment: env });
const ids = [CODEX_CLI_PROVIDER.id, CODEX_IMAGE_GEN_MODEL.id];
console.log(JSON.stringify({ png: bytes.toString('base64'), ids }));
