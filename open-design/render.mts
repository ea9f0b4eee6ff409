// The dispatcher's branch: what Open Design asks for goes in, the picture comes out. Defaults, limits and the choice of a sandbox
// are the addon's.

import type { GenerateOptions } from 'codex-image';

import { loadAddon } from './addon.mjs';
import { type CodexOverrides, type Environment, environmentOf } from './environment.mjs';
import { renderError } from './errors.mjs';
import { CODEX_CLI_PROVIDER } from './models.mjs';
import { Throttle } from './progress.mjs';
import { read } from './read.mjs';

/** What this renderer reads of the dispatcher's context. `model` and `wireModel` name a tool, and say nothing about Codex's own model. */
export interface RenderContext {
  /** Everything but `'image'` is refused. */
  surface: string;
  /** What to draw; refused if blank. */
  prompt: string;
  /** Width to height, such as `'16:9'`. */
  aspect?: string | undefined;
  /** The first picture to start from. */
  imageRef?: ImageRef | null | undefined;
  /** All of them; may name `imageRef` once more. */
  imageRefs?: readonly ImageRef[] | undefined;
}

/**
 * A picture to start from. Of all that the dispatcher knows about it, the file counts: it is read and judged once, by the addon.
 * `dataUrl` holds the same bytes again, and would only become another file.
 */
export interface ImageRef {
  /** The file's absolute path. */
  abs: string;
}

/** What the daemon has decided already. Whatever is left out is decided as `generateCodexImage` does. */
export interface RenderOverrides extends CodexOverrides {
  /** What the agent's shell may do; `OD_CODEX_SANDBOX`, Windows and WSL are heeded without it. */
  sandbox?: GenerateOptions['sandbox'];
  /** Bound on the whole call, in milliseconds; by default `OD_CODEX_IMAGE_TIMEOUT_MS`. */
  timeoutMs?: number | undefined;
  /** How much the picture has to prove; `'full'` by default. A test's fixture may need `'signature'`. */
  validation?: GenerateOptions['validation'];
  /** Ends the run; the promise rejects with its reason. */
  signal?: AbortSignal | undefined;
}

/** What the dispatcher writes into the project. */
export interface CodexCliImage {
  /** Exactly the PNG file's bytes. */
  bytes: Buffer;
  /** Where it came from, for the viewer's toolbar. */
  providerNote: string;
  /** It is a PNG, whatever name was asked for. */
  suggestedExt: '.png';
}

/**
 * Draws one picture with the user's own signed-in Codex CLI. Never a placeholder.
 *
 * `onProgress` gets single lines of at most 200 characters: the first at once, then the latest at most once a second. Rejects
 * with a `CodexCliImageError`, or with the signal's reason.
 */
export async function renderCodexCliImage(
  context: RenderContext,
  onProgress?: ((line: string) => void) | null | undefined,
  overrides: RenderOverrides = {},
): Promise<CodexCliImage> {
  if (read(context, 'surface') !== 'image') {
    throw renderError('INVALID_OPTIONS', 400, 'The Codex CLI draws images only.');
  }
  const options = optionsFrom(context, overrides);
  const { generateCodexImage } = await loadAddon();
  const throttle = new Throttle((line) => onProgress?.(line));
  try {
    const bytes = await generateCodexImage(options, (line) => throttle.say(line));
    return { bytes, providerNote: noteOn(bytes, options.aspect), suggestedExt: '.png' };
  } finally {
    throttle.stop();
  }
}

function optionsFrom(context: RenderContext, overrides: RenderOverrides): GenerateOptions {
  const env = environmentOf(overrides);
  // Unlike a spread, this takes no element of `Array.prototype` for a hole.
  const imageRefs = Object.values(read(context, 'imageRefs') ?? []);
  const references = [read(context, 'imageRef'), ...imageRefs].flatMap(
    (ref) => (ref && read(ref, 'abs')) ?? [],
  );
  return {
    // Refused by the addon where there is none.
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

/** The longest `timeoutMs` there is, repeated here so that the message names what the user has set. */
const MAX_TIMEOUT_MS = 2_147_483_647;

function timeoutOf(env: Environment): number | undefined {
  const text = env['OD_CODEX_IMAGE_TIMEOUT_MS']?.trim();
  if (!text) return undefined;
  const timeoutMs = /^\d+$/.test(text) ? Number(text) : NaN;
  if (timeoutMs >= 1 && timeoutMs <= MAX_TIMEOUT_MS) return timeoutMs;
  // Not ignored: a limit that silently is another one hides why a picture did not come.
  throw renderError(
    'INVALID_OPTIONS',
    400,
    `The variable OD_CODEX_IMAGE_TIMEOUT_MS must be a whole number of milliseconds from 1 to ${MAX_TIMEOUT_MS}.`,
  );
}

function noteOn(bytes: Buffer, aspect: string | null | undefined): string {
  const facts = [
    `${CODEX_CLI_PROVIDER.id}/image_gen`,
    aspect,
    `${bytes.length} bytes`,
    'ChatGPT subscription (no API key)',
  ];
  return facts.filter(Boolean).join(' · ');
}
