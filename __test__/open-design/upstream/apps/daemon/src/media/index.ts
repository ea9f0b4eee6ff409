// The dispatcher: registry, references, one branch for each renderer, the project's file.

import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

// @edit import
import {
  findMediaModel,
  findProvider,
  type MediaModel,
  type MediaProvider,
  modelsForSurface,
  type MediaSurface,
} from './models.js';

type ProgressFn = (message: string) => void;
type ImageRef = { path: string; abs: string; mime: string; size: number; dataUrl: string };

type MediaContext = {
  surface: MediaSurface;
  model: string;
  wireModel: string;
  modelDef: MediaModel;
  provider: MediaProvider | null;
  prompt: string;
  aspect: string | undefined;
  length: number | undefined;
  imageRef: ImageRef | null;
  imageRefs: ImageRef[];
  projectRoot: string;
};

type RenderResult = { bytes: Buffer; providerNote: string; suggestedExt?: string };

const MIME_TYPES: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
};

class StubProviderDisabledError extends Error {
  code = 'STUB_PROVIDER_DISABLED';
  status = 503;
}

export async function generateMedia(args: {
  projectRoot: string;
  projectsRoot: string;
  projectId: string;
  surface: MediaSurface;
  model: string;
  prompt?: string;
  output?: string;
  aspect?: string;
  length?: number;
  image?: string;
  images?: string[];
  onProgress?: ProgressFn;
  // @edit argument
}) {
  const { projectRoot, projectsRoot, projectId, surface, model, output, aspect } = args;
  const def = findMediaModel(model);
  if (!def) throw new Error(`unknown model: ${model}`);
  if (!modelsForSurface(surface).some(({ id }) => id === def.id)) {
    throw new Error(`model "${model}" is not registered for surface "${surface}"`);
  }
  const dir = path.join(projectsRoot, projectId);
  const imageRef = args.image ? await resolveProjectImage(args.image, dir) : null;
  const imageRefs = imageRef ? [imageRef] : [];
  for (const image of args.images ?? []) {
    const ref = await resolveProjectImage(image, dir);
    if (!imageRefs.some(({ abs }) => abs === ref.abs)) imageRefs.push(ref);
  }
  const ctx: MediaContext = {
    surface,
    model: def.id,
    wireModel: def.id,
    modelDef: def,
    provider: findProvider(def.provider),
    prompt: args.prompt || '',
    aspect: aspect || (surface === 'image' ? '1:1' : '16:9'),
    length: args.length,
    imageRef,
    imageRefs,
    projectRoot,
  };

  let bytes: Buffer;
  let providerNote: string;
  let suggestedExt: string | undefined;
  const providerId = def.provider;
  let providerError: string | null = null;
  let usedStubFallback = false;
  try {
    if (def.provider === 'vela' && surface === 'image') {
      const result = await renderVelaImage(ctx);
      bytes = result.bytes;
      providerNote = result.providerNote;
      suggestedExt = result.suggestedExt;
      // @edit branch
    } else if (def.provider === 'openai') {
      throw new Error('no OpenAI API key');
    } else {
      throw new StubProviderDisabledError(`provider not configured: ${model}`);
    }
  } catch (err) {
    if (err instanceof StubProviderDisabledError) throw err;
    if (def.provider === 'hyperframes' || def.provider === 'vela') throw err;
    // @edit rethrow
    if (process.env.OD_MEDIA_ALLOW_STUBS !== '1') throw err;
    bytes = STUB;
    providerError = err instanceof Error ? err.message : String(err);
    providerNote = `[stub] [${providerId} error → stub] ${providerError}`;
    usedStubFallback = true;
  }

  const asked = path.parse(output || 'image.png');
  const name = path.posix.join(asked.dir, `${asked.name}${suggestedExt ?? asked.ext}`);
  const file = path.join(dir, name);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, bytes);
  const mime = MIME_TYPES[path.extname(name)] ?? 'application/octet-stream';
  const { size } = await stat(file);
  return {
    name,
    size,
    mime,
    model,
    surface,
    providerNote,
    providerId,
    providerError,
    usedStubFallback,
  };
}

/** A placeholder: the shortest GIF. */
const STUB = Buffer.from('R0lGODlhAQABAAAAADs=', 'base64');

async function renderVelaImage(_ctx: MediaContext): Promise<RenderResult> {
  throw Object.assign(new Error('not signed in to the cloud'), { code: 'vela_signed_out' });
}

async function resolveProjectImage(relative: string, dir: string): Promise<ImageRef> {
  const abs = path.resolve(dir, relative);
  const mime = MIME_TYPES[path.extname(abs).toLowerCase()];
  if (!abs.startsWith(`${dir}${path.sep}`) || mime === undefined) {
    throw new Error(`--image cannot be used: ${relative}`);
  }
  const { size } = await stat(abs);
  const dataUrl = `data:${mime};base64,${await readFile(abs, 'base64')}`;
  return { path: relative, abs, mime, size, dataUrl };
}
