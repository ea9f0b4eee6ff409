// Renders an image for Open Design's dispatcher: converts its context and settings to the addon's
// options. Defaults, bounds and the choice of the sandbox are the addon's.

import type { GeneratedImage, GenerateOptions } from 'codex-image';

import { loadAddon } from './addon.mjs';
import { type CodexOverrides, type Environment, environmentOf } from './environment.mjs';
import { type CodexCliImageError, renderError } from './errors.mjs';
import { CODEX_CLI_PROVIDER } from './models.mjs';
import { Throttle } from './progress.mjs';
import { read } from './read.mjs';

/**
 * The members of the dispatcher's context that this package reads. It ignores `model` and
 * `wireModel`: they name a tool, not Codex's own model.
 */
export interface RenderContext {
  /** Has to be `'image'`; any other value is refused. */
  surface: string;
  /** The description of the image; refused if blank. */
  prompt: string;
  /** Aspect ratio, width to height, such as `'16:9'`. */
  aspect?: string | undefined;
  /** The first image to start from. */
  imageRef?: ImageRef | null | undefined;
  /** All images to start from; may contain `imageRef`. */
  imageRefs?: readonly ImageRef[] | undefined;
}

/** An image to start from. The addon reads the file; other members are ignored. */
export interface ImageRef {
  /** The file's absolute path. */
  abs: string;
}

/** The daemon's settings. Absent members default as for `generateCodexImage`. */
export interface RenderOverrides extends CodexOverrides {
  /** The sandbox of the agent's shell. By default `OD_CODEX_SANDBOX`, Windows and WSL decide. */
  sandbox?: GenerateOptions['sandbox'];
  /** Time limit of the whole call, in milliseconds; by default `OD_CODEX_IMAGE_TIMEOUT_MS`. */
  timeoutMs?: number | undefined;
  /** The check of an image in the workspace; `'full'` by default. Tests may need `'signature'`. */
  validation?: GenerateOptions['validation'];
  /** Aborts the call; the promise rejects with its reason. */
  signal?: AbortSignal | undefined;
}

/** The image, for the dispatcher to write into the project. */
export interface CodexCliImage {
  /** Exactly the PNG file's bytes. */
  bytes: Buffer;
  /** A note on the image's origin, for the viewer's toolbar. */
  providerNote: string;
  /** The extension of a PNG, whatever file name was requested. */
  suggestedExt: '.png';
}

/**
 * Draws one image with the user's own signed-in Codex CLI. Never returns a placeholder.
 *
 * `onProgress` gets single lines of at most 200 characters: the first immediately, then the latest
 * at most once a second. Rejects with a `CodexCliImageError`, or with the signal's reason.
 */
export async function renderCodexCliImage(
  context: RenderContext,
  onProgress?: ((line: string) => void) | null | undefined,
  overrides: RenderOverrides = {},
): Promise<CodexCliImage> {
  if (read(context, 'surface') !== 'image') {
    const members = { code: 'INVALID_OPTIONS', status: 400, option: 'surface' } as const;
    throw renderError(members, 'The Codex CLI draws images only.');
  }
  const options = optionsFrom(context, overrides);
  const { generateCodexImageDetailed } = await loadAddon();
  const throttle = new Throttle((line) => onProgress?.(line));
  try {
    const image = await generateCodexImageDetailed(options, (line) => throttle.add(line));
    const providerNote = noteOn(image, options.aspect);
    return { bytes: image.png, providerNote, suggestedExt: '.png' };
  } catch (error) {
    throw read(overrides, 'timeoutMs') == null ? namingVariable(error) : error;
  } finally {
    throttle.stop();
  }
}

function optionsFrom(context: RenderContext, overrides: RenderOverrides): GenerateOptions {
  const env = environmentOf(overrides);
  // Unlike a spread, this skips holes, which a polluted `Array.prototype` would fill.
  const imageRefs = Object.values(read(context, 'imageRefs') ?? []);
  const references = [read(context, 'imageRef'), ...imageRefs].flatMap(
    (ref) => (ref && read(ref, 'abs')) ?? [],
  );
  return {
    // The addon refuses an absent prompt.
    prompt: read(context, 'prompt') as string,
    aspect: read(context, 'aspect'),
    referenceImages: [...new Set(references)],
    codexPath: read(overrides, 'executable'),
    env,
    sandbox: read(overrides, 'sandbox'),
    disableFeatures: env['OD_CODEX_DISABLE_PLUGINS'] === '1' ? ['plugins'] : [],
    timeoutMs: read(overrides, 'timeoutMs') ?? timeoutOf(env),
    validation: read(overrides, 'validation'),
    signal: read(overrides, 'signal'),
  };
}

const TIMEOUT_VARIABLE = 'OD_CODEX_IMAGE_TIMEOUT_MS';

function timeoutOf(env: Environment): number | undefined {
  const text = env[TIMEOUT_VARIABLE]?.trim();
  if (!text) return undefined;
  // The addon refuses NaN. Ignoring an invalid value would hide the user's mistake.
  return /^\d+$/.test(text) ? Number(text) : NaN;
}

/** Returns an error about `timeoutMs` with the variable's name instead, other errors unchanged. */
function namingVariable(error: unknown): unknown {
  if (!(error instanceof TypeError)) return error;
  const { option, message } = error as Error & CodexCliImageError;
  if (option !== 'timeoutMs') return error;
  const members = { code: 'INVALID_OPTIONS', status: 400, option: TIMEOUT_VARIABLE } as const;
  return renderError(members, message.replace(option, TIMEOUT_VARIABLE), error);
}

function noteOn({ png, aspect }: GeneratedImage, requested: string | null | undefined): string {
  const differs = requested != null && aspect?.matches === false;
  const facts = [
    `${CODEX_CLI_PROVIDER.id}/image_gen`,
    differs ? `${aspect.received} instead of ${requested}` : requested,
    `${png.length} bytes`,
    'ChatGPT subscription (no API key)',
  ];
  return facts.filter(Boolean).join(' · ');
}
