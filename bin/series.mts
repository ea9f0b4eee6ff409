// Several pictures of one command, and what tells one from another.

import { createHash } from 'node:crypto';
import { access, constants } from 'node:fs/promises';
import path from 'node:path';

import type { GenerateOptions } from 'codex-image';

import { loadAddon } from './addon.mjs';
import type { DrawCommand } from './arguments.mjs';
import { reasonOf } from './failure.mjs';

export interface Picture {
  /** The number of the line in the batch, or of the file. */
  number: number;
  /** For people: `line 7`, or `fox-2.png`. */
  name: string;
  /** The command that draws it alone. The paths in it are absolute. */
  command: DrawCommand;
}

export interface Series {
  pictures: Picture[];
  /** The directory of the journal, and of pictures without a name. */
  directory: string;
  journal: string;
  /** Whether the journal stays when all pictures are there. */
  keepsJournal: boolean;
}

/**
 * Returns for each picture the key of its content in the journal: of the prompt, of the options
 * that describe the picture, and of its file. Equal lines have different keys. Paths are relative
 * to the directory of the journal, so that the whole can be moved.
 */
export function keysOf({ pictures, directory }: Pick<Series, 'pictures' | 'directory'>): string[] {
  const seen = new Map<string, number>();
  return pictures.map(({ command: { prompt, target, options } }) => {
    const { aspect = null, transparent = null, referenceImages } = options;
    const references = (referenceImages ?? []).map((file) => path.relative(directory, file));
    const file = target.file === undefined ? null : path.relative(directory, target.file);
    const content = JSON.stringify([prompt, aspect, transparent, references, file]);
    const earlier = seen.get(content) ?? 0;
    seen.set(content, earlier + 1);
    return createHash('sha256').update(`${earlier} ${content}`).digest('hex').slice(0, 32);
  });
}

/** Rejects with the API's error for invalid options, at no cost. */
export async function validate(options: GenerateOptions): Promise<void> {
  const { generateCodexImage } = await loadAddon();
  // The API reads all options before it rejects with the reason of an aborted signal.
  const signal = AbortSignal.abort(VALID);
  await generateCodexImage({ ...options, signal }).catch((error: unknown) => {
    if (error !== VALID) throw error;
  });
}

const VALID = Symbol('the options are valid');

/** Returns why one of the reference images cannot be read, if so. `written` are their names. */
export async function problemOfReferences(
  files: readonly string[],
  written: readonly string[],
): Promise<string | undefined> {
  for (const [index, file] of files.entries()) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the first problem is enough.
      await access(file, constants.R_OK);
    } catch (error) {
      return `“${written[index]}” cannot be read: ${reasonOf(error)}.`;
    }
  }
  return undefined;
}
