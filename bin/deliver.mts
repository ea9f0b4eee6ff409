// Chooses where an image goes, and delivers it there.

import path from 'node:path';

import type { GeneratedImage } from 'codex-image';

import type { Target } from './arguments.mjs';
import { CommandError, sentence } from './failure.mjs';
import { type Destination, prepare, save } from './output.mjs';
import type { Reporter } from './reporter.mjs';
import { discardsStdout, print } from './streams.mjs';

/** Checks that the image can be written. Undefined stands for stdout. */
export async function destinationFor(
  target: Target,
  title: string,
): Promise<Destination | undefined> {
  if (!target.toStdout) return prepare(target, title);
  if (process.stdout.isTTY) {
    throw new CommandError('USAGE', 'stdout is a terminal, on which a PNG file is of no use');
  }
  if (discardsStdout()) {
    throw new CommandError('OUTPUT_FAILED', 'stdout is closed, so the picture would be lost');
  }
  return undefined;
}

export async function deliver(
  image: GeneratedImage,
  destination: Destination | undefined,
  reporter: Reporter,
): Promise<void> {
  await report(image, destination, await write(image, destination), reporter);
}

/** Reports an image that is in `file`. Fails if that is not where the user wanted it. */
export async function report(
  image: GeneratedImage,
  destination: Destination | undefined,
  file: string | undefined,
  reporter: Reporter,
): Promise<void> {
  if (
    destination !== undefined &&
    file !== undefined &&
    !destination.anyName &&
    file !== destination.file
  ) {
    const problem = `${destination.file} appeared meanwhile, and was left alone. The picture is in ${file}`;
    throw new CommandError('OUTPUT_EXISTS', problem, { path: file });
  }
  image.warnings.push(...warningsOn(file));
  await reporter.done(image, file);
}

function warningsOn(file: string | undefined): string[] {
  const extension = path.extname(file ?? '');
  if (!OTHER_FORMATS.test(extension)) return [];
  return [`The picture is a PNG file, although its name ends with ${extension}.`];
}

const OTHER_FORMATS = /^\.(?:avif|bmp|gif|heic|ico|jfif|jpe?g|pdf|svg|tiff?|webp)$/i;

/** Writes the image, and returns its file. Undefined stands for stdout. */
export async function write<To extends Destination | undefined>(
  image: GeneratedImage,
  destination: To,
): Promise<To extends Destination ? string : undefined>;
export async function write(
  image: GeneratedImage,
  destination: Destination | undefined,
): Promise<string | undefined> {
  const { png, threadId, warnings } = image;
  try {
    if (destination !== undefined)
      return await save(png, destination, (warning) => warnings.push(warning));
    await print(png);
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError) || threadId === undefined) throw error;
    const advice = `codex-image --recover ${threadId} -o FILE`;
    const problem = `${sentence(error.message)} Codex has kept the picture: \`${advice}\``;
    throw new CommandError(error.code, problem, { threadId });
  }
}
