// The tools that write images. Everything that can be refused is refused before Codex starts.

import type { ServerContext } from '@modelcontextprotocol/server';
import type { GeneratedImage, GenerateOptions } from 'codex-image';

import { loadAddon } from '../addon.mjs';
import { numbered } from '../numbered.mjs';
import { checkWritable, type Destination, nameFrom, save } from '../output.mjs';
import { failureOf, ToolError } from './failures.mjs';
import { ProgressNotifications } from './progress.mjs';
import type { Outcome, WrittenImage } from './results.mjs';
import {
  placeWithin,
  referenceWithin,
  refuseExisting,
  requireSamePlace,
  type Root,
} from './roots.mjs';

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
  const file = output ?? `${nameFrom(brief.prompt)}.png`;
  const destinations: Destination[] = [];
  for (let number = 1; number <= count; number += 1) {
    const one = numbered(file, number, count);
    destinations.push(await destinationFor(roots, one, output === undefined));
  }
  const referenceImages = await Promise.all(
    paths.map((reference, index) => referenceWithin(roots, reference, index)),
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
  const file = output ?? `${nameFrom(`codex-image ${threadId}`)}.png`;
  const destination = await destinationFor(roots, file, output === undefined);
  const { recoverCodexImage } = await loadAddon();
  const image = await recoverCodexImage({ threadId, codexHome: settings.codexHome });
  return { images: [await write(image, destination, request)], failures: [] };
}

/** Checks that an image can be written. With `anyName` it gets another name if one is taken. */
async function destinationFor(
  roots: readonly Root[],
  requested: string,
  anyName: boolean,
): Promise<Destination> {
  const file = await placeWithin(roots, requested);
  if (!anyName) await refuseExisting(file, requested);
  const destination = { file, force: false, anyName };
  await checkWritable(destination);
  return destination;
}

async function write(
  image: GeneratedImage,
  destination: Destination,
  { context }: Request,
): Promise<WrittenImage> {
  const { png, width, height, verified, threadId, timings } = image;
  const warnings = [...image.warnings];
  context.mcpReq.signal.throwIfAborted();
  try {
    // Drawing takes minutes, in which the directory may have become another one.
    await requireSamePlace(destination.file);
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
