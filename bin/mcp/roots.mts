// The directories that a call may use, and the check that a path lies within them. Paths come from
// a model, which a web page may steer.

import { lstat, realpath } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { isReserved } from '../output.mjs';
import { ToolError } from './failures.mjs';

export interface Root {
  /** As the client or the user wrote it. */
  given: string;
  /** Without links. */
  real: string;
}

/** Returns the directories among the client's roots. Other roots, such as URLs, do not count. */
export async function rootsFrom(answer: readonly unknown[]): Promise<Root[]> {
  const found = await Promise.all(answer.map((root) => rootAt(directoryOf(root))));
  const roots = found.filter((root) => root !== undefined);
  if (roots.length > 0) return roots;
  throw new ToolError('NO_ROOTS', 'None of the roots of this client is a directory here');
}

/** Returns the working directory, for a client without roots. */
export async function workingDirectory(): Promise<Root[]> {
  const directory = process.cwd();
  if (directory === path.parse(directory).root) {
    const problem = 'The client names no roots, and has started this server in the root directory';
    throw new ToolError('NO_ROOTS', `${problem}. Start it with --root DIR`);
  }
  return namedRoot(directory);
}

/** Returns the directory that the user has named. */
export async function namedRoot(directory: string): Promise<Root[]> {
  const root = await rootAt(directory);
  if (root !== undefined) return [root];
  throw new ToolError('NO_ROOTS', 'The directory that --root names does not exist');
}

function directoryOf(root: unknown): string | undefined {
  const uri = (root as { uri?: unknown } | null)?.uri;
  if (typeof uri !== 'string') return undefined;
  try {
    return fileURLToPath(uri);
  } catch {
    return undefined;
  }
}

async function rootAt(given: string | undefined): Promise<Root | undefined> {
  const real = given === undefined ? undefined : await realpath(given).catch(() => undefined);
  return given === undefined || real === undefined ? undefined : { given, real };
}

/** Returns the absolute path of a PNG file, whose directory exists, without links. */
export async function placeWithin(roots: readonly Root[], requested: string): Promise<string> {
  const file = lexicallyWithin(roots, requested, 'output_path');
  const name = path.basename(file);
  if (!/[^\\/]\.png$/i.test(requested) || isReserved(name, process.platform)) {
    const problem = 'it must be the name of a file, and end with .png';
    throw new ToolError('INVALID_OPTIONS', `\`output_path\`: ${problem}`);
  }
  const directory = await realpath(path.dirname(file)).catch(async (error: unknown) => {
    await requireAncestorWithin(roots, path.dirname(file), requested, 'output_path');
    throw new ToolError('OUTPUT_FAILED', `The directory of “${requested}” ${reason(error)}`);
  });
  const real = path.join(directory, name);
  requireWithin(roots, real, requested, 'output_path');
  return real;
}

/** Throws if the directory of `place`, from {@link placeWithin}, has become another one. */
export async function requireSamePlace(place: string): Promise<void> {
  const directory = path.dirname(place);
  const real = await realpath(directory).catch(() => undefined);
  if (real === directory) return;
  throw new ToolError('OUTPUT_FAILED', `The directory of “${place}” has been moved or replaced`);
}

/** Throws if there is a file, a link or anything else at `place`, which was `requested`. */
export async function refuseExisting(place: string, requested: string): Promise<void> {
  try {
    await lstat(place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new ToolError('OUTPUT_FAILED', `“${requested}” cannot be written`);
  }
  throw new ToolError('OUTPUT_EXISTS', `“${requested}” exists`);
}

/** Returns the absolute path of a file, without links. */
export async function referenceWithin(
  roots: readonly Root[],
  requested: string,
  index: number,
): Promise<string> {
  const argument = `reference_images[${index}]`;
  const file = lexicallyWithin(roots, requested, argument);
  const real = await realpath(file).catch(async (error: unknown) => {
    await requireAncestorWithin(roots, file, requested, argument);
    throw new ToolError('INVALID_OPTIONS', `\`${argument}\`: “${requested}” ${reason(error)}`);
  });
  requireWithin(roots, real, requested, argument);
  return real;
}

/** Touches no disk: on Windows, looking at a path of another machine logs in there. */
function lexicallyWithin(roots: readonly Root[], requested: string, argument: string): string {
  if (/\p{Cc}/u.test(requested)) {
    throw new ToolError('INVALID_OPTIONS', `\`${argument}\`: it must not have control characters`);
  }
  const file = path.resolve(roots[0]?.given ?? '', requested);
  if (roots.some(({ given, real }) => isWithin(given, file) || isWithin(real, file))) return file;
  throw outside(requested, argument);
}

function requireWithin(
  roots: readonly Root[],
  real: string,
  requested: string,
  argument: string,
): void {
  if (!roots.some((root) => isWithin(root.real, real))) throw outside(requested, argument);
}

/**
 * Throws if the nearest directory above `file` that exists is not within a root. So nothing tells
 * what exists behind a link that leads out.
 */
async function requireAncestorWithin(
  roots: readonly Root[],
  file: string,
  requested: string,
  argument: string,
): Promise<void> {
  let directory = file;
  let real: string | undefined;
  while (real === undefined && directory !== path.dirname(directory)) {
    directory = path.dirname(directory);
    // oxlint-disable-next-line no-await-in-loop -- the nearest one counts.
    real = await realpath(directory).catch(() => undefined);
  }
  if (roots.some((root) => root.real === real)) return;
  if (real === undefined) throw outside(requested, argument);
  requireWithin(roots, real, requested, argument);
}

function outside(requested: string, argument: string): ToolError {
  return new ToolError('OUTSIDE_ROOTS', `\`${argument}\`: “${requested}” is outside of the roots`);
}

/** Whether `file` is below `root`, both absolute and normalized, by the rules of a platform. */
export function isWithin(root: string, file: string, rules: path.PlatformPath = path): boolean {
  const way = rules.relative(root, file);
  return way !== '' && way !== '..' && !way.startsWith(`..${rules.sep}`) && !rules.isAbsolute(way);
}

function reason(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR' ? 'does not exist' : 'cannot be opened';
}
