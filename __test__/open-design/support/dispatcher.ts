// Open Design's dispatcher, written from its contract: registry, model look-up, media execution policy, references, the branches, the
// project's file. What differs from the daemon as it is are the edits that `docs/open-design.md` asks for.

import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

import {
  CODEX_CLI_PROVIDER,
  CODEX_IMAGE_GEN_MODEL,
  type renderCodexCliImage,
  type RenderOverrides,
} from '../../../dist/open-design.mjs';
import { png } from '../../support/png.js';

/** The registry's own types, as the daemon declares them. */
interface MediaProvider {
  id: string;
  label: string;
  hint: string;
  integrated: boolean;
  defaultBaseUrl?: string;
  docsUrl?: string;
  credentialsRequired?: boolean;
  settingsVisible?: boolean;
}

interface MediaModel {
  id: string;
  label: string;
  hint: string;
  provider: string;
  caps: string[];
  default?: boolean;
}

export const MEDIA_PROVIDERS: MediaProvider[] = [
  { id: 'openai', label: 'OpenAI', hint: 'With a key', integrated: true },
  CODEX_CLI_PROVIDER,
];

export const IMAGE_MODELS: MediaModel[] = [
  {
    id: 'gpt-image-2',
    label: 'gpt-image-2',
    hint: 'OpenAI · with a key',
    provider: 'openai',
    caps: ['t2i', 'i2i'],
    default: true,
  },
  CODEX_IMAGE_GEN_MODEL,
];

/** What a run may do with media. */
export interface MediaExecution {
  mode: 'enabled' | 'disabled';
  allowedSurfaces?: string[];
  allowedModels?: string[];
}

export interface Refusal {
  code: string;
  message: string;
}

/** Looked at before any renderer is: the ids are those of the request. */
export function mediaPolicyDenial(
  policy: MediaExecution,
  { surface, model }: { surface: string; model: string },
): Refusal | undefined {
  const { mode, allowedSurfaces = [surface], allowedModels = [model] } = policy;
  if (mode !== 'enabled') return { code: 'MEDIA_EXECUTION_DISABLED', message: 'media is disabled' };
  if (!allowedSurfaces.includes(surface)) {
    return { code: 'MEDIA_SURFACE_DENIED', message: `media surface "${surface}" is not allowed` };
  }
  if (allowedModels.includes(model)) return undefined;
  return { code: 'MEDIA_MODEL_DENIED', message: `media model "${model}" is not allowed` };
}

/** What `od media generate` asks for. */
export interface MediaRequest {
  surface: string;
  model: string;
  prompt?: string;
  aspect?: string;
  output?: string;
  /** Paths in the project. */
  image?: string;
  images?: string[];
}

/** What the daemon adds to a request. */
export interface MediaJob extends MediaRequest {
  /** The project's directory. */
  project: string;
  render: typeof renderCodexCliImage;
  overrides: RenderOverrides;
  onProgress: (line: string) => void;
}

/** What has become of a request. */
export interface MediaFile {
  name: string;
  size: number;
  mime: string;
  model: string;
  providerId: string;
  providerNote: string;
}

interface ImageRef {
  path: string;
  abs: string;
  mime: string;
  size: number;
  dataUrl: string;
}

interface Rendered {
  bytes: Buffer;
  providerNote: string;
  suggestedExt?: string;
}

const MIME_TYPES: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
};

/** Those whose failures are never covered up by a stub. */
const RETHROWN = new Set(['hyperframes', CODEX_CLI_PROVIDER.id]);

export async function generateMedia(job: MediaJob): Promise<MediaFile> {
  const model = IMAGE_MODELS.find(({ id }) => id === job.model);
  if (model === undefined) throw new Error(`unknown model: ${job.model}`);

  const imageRef = job.image === undefined ? null : await resolveImage(job.image, job.project);
  const imageRefs = imageRef === null ? [] : [imageRef];
  for (const image of job.images ?? []) {
    const ref = await resolveImage(image, job.project);
    if (!imageRefs.some(({ abs }) => abs === ref.abs)) imageRefs.push(ref);
  }
  const context = {
    surface: job.surface,
    model: job.model,
    wireModel: job.model,
    modelDef: model,
    prompt: job.prompt ?? '',
    aspect: job.aspect ?? '1:1',
    imageRef,
    imageRefs,
  };

  const rendered = await render(model, context, job).catch((error: unknown): Rendered => {
    if (RETHROWN.has(model.provider)) throw error;
    return { bytes: png({ width: 1, height: 1 }), providerNote: `[stub] ${String(error)}` };
  });

  const asked = path.parse(job.output ?? 'image.png');
  const name = path.posix.join(asked.dir, `${asked.name}${rendered.suggestedExt ?? asked.ext}`);
  const file = path.join(job.project, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, rendered.bytes);
  return {
    name,
    size: rendered.bytes.length,
    mime: MIME_TYPES[path.extname(name)] ?? 'application/octet-stream',
    model: job.model,
    providerId: model.provider,
    providerNote: rendered.providerNote,
  };
}

async function render(
  { provider }: MediaModel,
  context: Parameters<typeof renderCodexCliImage>[0],
  job: MediaJob,
): Promise<Rendered> {
  if (provider === 'codex-cli') return job.render(context, job.onProgress, job.overrides);
  throw new Error(`no ${provider} credential`);
}

async function resolveImage(relative: string, project: string): Promise<ImageRef> {
  const abs = path.resolve(project, relative);
  const mime = MIME_TYPES[path.extname(abs).toLowerCase()];
  if (!abs.startsWith(`${project}${path.sep}`) || mime === undefined) {
    throw new Error(`--image cannot be used: ${relative}`);
  }
  const { size } = await stat(abs);
  const dataUrl = `data:${mime};base64,${await readFile(abs, 'base64')}`;
  return { path: relative, abs, mime, size, dataUrl };
}
