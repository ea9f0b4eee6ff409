import { type GenerateOptions, generateCodexImage, type OnProgress } from 'codex-image';
import { CODEX_CLI_PROVIDER, type MediaProvider } from 'codex-image/open-design';
import { CODEX_IMAGE_GEN_MODEL, type MediaModel } from 'codex-image/open-design/models';

const options: GenerateOptions = JSON.parse(process.argv[2] ?? '');
const onProgress: OnProgress = (message, { elapsedMs }) => void message.padEnd(elapsedMs);
const png: Buffer = await generateCodexImage({ ...options, aspect: undefined }, onProgress);
const provider: MediaProvider = CODEX_CLI_PROVIDER;
const model: MediaModel = CODEX_IMAGE_GEN_MODEL;
console.log(JSON.stringify({ png: png.toString('base64'), ids: [provider.id, model.id] }));
