// The tools that write images. Everything that can be refused is refused before Codex starts.

import path from 'node:path';

import type { ServerContext } from '@modelcontextprotocol/server';
import type { GeneratedImage, GenerateOptions } from 'codex-image';

import { loadAddon } from '../addon.mjs';
import { checkWritable, type Destination, nameFrom, save } from '../output.mjs';
import { failureOf, ToolError } from './failures.mjs';
import { ProgressNotifications } from './progress.mjs';
import type { Outcome, WrittenImage } from './results.mjs';
import { placeWithin, referenceWithin, refuseExisting, type Root } from './roots.mjs';

/** What the user has set on the command line. */
export interface Settings extends Pick<
  GenerateOptions,
  'codexPath' | 'codexHome' | 'model' | 'timeoutMs'
> {
  /** Absolute path, in place of the client's roots. */
  root?: string | undefined;
}

/** One call of a tool. */
export interface Request {
  roots: readonly Root[];
  settings: Settings;
  context: ServerContext;
}

interface Brief {
  prompt: string;
  aspect?: string | undefined;
  reference_images?: string[] | undefined;
  transparent?: boolean | undefined;
  count?: number | undefined;
  output_path?: string | undefined;
}

/** For a caller that may be steered: no shell, and no image that the agent could have made. */
const CAREFUL = { sandbox: 'read-only', requireVerified: true } as const;

export async function generateImages(brief: Brief, request: Request): Promise<Outcome> {
  const { roots, settings, context } = request;
  const { count = 1, output_path: output, reference_images: paths = [] } = brief;
  const destinations = await destinationsFor(roots, output, nameFrom(brief.prompt), count);
  const referenceImages = await Promise.all(
    paths.map((file, index) => referenceWithin(roots, file, index)),
  );
  const { generateCodexImageDetailed } = await loadAddon();
  const { codexPath, codexHome, model, timeoutMs } = settings;
  const options: GenerateOptions = {
    codexPath,
    codexHome,
    model,
    timeoutMs,
    prompt: brief.prompt,
    aspect: brief.aspect,
    transparent: brief.transparent,
    referenceImages,
    signal: context.mcpReq.signal,
    ...CAREFUL,
  };
  const progress = new ProgressNotifications(context);
  try {
    const drawn = await Promise.allSettled(
      destinations.map(async (destination, index) => {
        const which = count > 1 ? `${index + 1} of ${count}: ` : '';
        const image = await generateCodexImageDetailed(options, (message) =>
          progress.show(`${which}${message}`),
        );
        return write(image, destination, request);
      }),
    );
    context.mcpReq.signal.throwIfAborted();
    return {
      images: drawn.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
      failures: drawn.flatMap((one) => (one.status === 'rejected' ? [failureOf(one.reason)] : [])),
    };
  } finally {
    progress.end();
  }
}

export async function recoverImage(
  {
    thread_id: threadId,
    output_path: output,
  }: { thread_id: string; output_path?: string | undefined },
  request: Request,
): Promise<Outcome> {
  const { roots, settings } = request;
  const name = nameFrom(`codex-image ${threadId}`);
  const [destination] = await destinationsFor(roots, output, name, 1);
  const { recoverCodexImage } = await loadAddon();
  const image = await recoverCodexImage({ threadId, codexHome: settings.codexHome });
  if (destination === undefined) throw new Error('there is no destination');
  return { images: [await write(image, destination, request)], failures: [] };
}

/** Checks that the images can be written, and returns where to. `name` is that of the default. */
async function destinationsFor(
  roots: readonly Root[],
  output: string | undefined,
  name: string,
  count: number,
): Promise<Destination[]> {
  const anyName = output === undefined;
  const requested = numbered(output ?? `${name}.png`, count);
  const destinations: Destination[] = [];
  for (const file of requested) {
    const place = await placeWithin(roots, file);
    if (!anyName) await refuseExisting(place, file);
    const destination = { file: place, force: false, anyName };
    await checkWritable(destination);
    destinations.push(destination);
  }
  return destinations;
}

function numbered(file: string, count: number): string[] {
  if (count === 1) return [file];
  const { dir, name, ext } = path.parse(file);
  return Array.from({ length: count }, (_, n) => path.join(dir, `${name}-${n + 1}${ext}`));
}

async function write(
  image: GeneratedImage,
  destination: Destination,
  { roots, context }: Request,
): Promise<WrittenImage> {
  const { png, width, height, verified, threadId, timings } = image;
  const warnings = [...image.warnings];
  context.mcpReq.signal.throwIfAborted();
  try {
    // Drawing takes minutes, in which the directory may have become another one.
    await placeWithin(roots, destination.file);
    const file = await save(png, destination, (warning) => warnings.push(warning));
    if (!destination.anyName && file !== destination.file) {
      warnings.push(`${destination.file} appeared meanwhile, and was left alone.`);
    }
    return {
      path: file,
      width,
      height,
      verified,
      ...(threadId === undefined ? {} : { thread_id: threadId }),
      duration_ms: Math.round(timings.totalMs),
      warnings,
    };
  } catch (error) {
    throw new ToolError('OUTPUT_FAILED', (error as Error).message, threadId);
  }
}
