// Reads the file of `--batch`: one JSON object a line, each of which describes a picture. Reports
// everything that is wrong in it at once, before anything is spent.

import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

import type { CodexImageError, GenerateOptions } from 'codex-image';

import { type BatchCommand, type DrawCommand, namesDirectory } from './arguments.mjs';
import { CommandError, type Problem, reasonOf } from './failure.mjs';
import { nearest } from './nearest.mjs';
import { type Picture, problemOfReferences, type Series, validate } from './series.mjs';

/** The keys of a line, with the options of the API that validate their values. */
const KEYS = {
  prompt: 'prompt',
  output: undefined,
  aspect: 'aspect',
  references: 'referenceImages',
  transparent: 'transparent',
} as const satisfies Record<string, keyof GenerateOptions | undefined>;

type Key = keyof typeof KEYS;

/** A line of which every value has been validated. A null is an absent value. */
interface Line {
  prompt: string;
  output?: string | null;
  aspect?: string | null;
  references?: string[] | null;
  transparent?: boolean | null;
}

/** Throws a {@link CommandError} with all problems of the file. */
export async function readBatch(command: BatchCommand): Promise<Series> {
  const file = path.resolve(command.file);
  const directory = path.dirname(file);
  const lines = await readLines(file, command.file);
  await validate({ ...command.options, prompt: 'a picture' });

  const problems: Problem[] = [];
  const pictures: Picture[] = [];
  for (const { number, text } of lines) {
    const name = `line ${number}`;
    // oxlint-disable-next-line no-await-in-loop -- in the order of the lines.
    const line = await readLine(text, directory, (problem) =>
      problems.push({ picture: number, name, ...problem }),
    );
    if (line !== undefined) {
      pictures.push({ number, name, command: asCommand(line, command, directory) });
    }
  }
  problems.push(...sharedFiles(pictures));
  if (problems.length > 0) {
    const count = problems.length === 1 ? 'a mistake' : `${problems.length} mistakes`;
    const message = `${command.file} has ${count}, so no picture was drawn`;
    throw new CommandError('USAGE', message, {
      problems: problems.toSorted((one, other) => one.picture - other.picture),
    });
  }
  if (pictures.length === 0) throw new CommandError('USAGE', `${command.file} has no lines`);
  return { pictures, directory, journal: `${file}.journal`, keepsJournal: true };
}

async function readLines(
  file: string,
  written: string,
): Promise<{ number: number; text: string }[]> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new CommandError('USAGE', `${written} cannot be read: ${reasonOf(error)}`, {
      option: '--batch',
    });
  }
  if (!isUtf8(bytes)) throw new CommandError('USAGE', `${written} is not UTF-8`);
  return bytes
    .toString()
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((text, index) => ({ number: index + 1, text: text.trim() }))
    .filter(({ text }) => text !== '');
}

type Report = (problem: { key?: string; message: string }) => void;

/** Reports each problem of a line. Returns nothing if there are any. */
async function readLine(
  text: string,
  directory: string,
  report: Report,
): Promise<Line | undefined> {
  const members = parseObject(text);
  if (members === undefined) {
    report({ message: 'It is not a JSON object.' });
    return undefined;
  }
  let isValid = true;
  const refuse = (key: string, message: string) => {
    isValid = false;
    report({ key, message });
  };
  for (const [key, value] of Object.entries({ prompt: undefined, ...members })) {
    const problem = Object.hasOwn(KEYS, key)
      ? // oxlint-disable-next-line no-await-in-loop -- in the order of the keys.
        await problemOf(key as Key, value, directory)
      : unknownKey(key);
    if (problem !== undefined) refuse(key, problem);
  }
  return isValid ? (members as unknown as Line) : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function unknownKey(key: string): string {
  const keys = Object.keys(KEYS);
  const meant = nearest(key, keys);
  const advice =
    meant === undefined ? `The keys are ${keys.join(', ')}.` : `Did you mean “${meant}”?`;
  return `There is no key “${key}”. ${advice}`;
}

/** Returns what is wrong with a value, if anything is. */
async function problemOf(key: Key, value: unknown, directory: string): Promise<string | undefined> {
  if (key === 'output') return problemOfOutput(value);
  const option = KEYS[key];
  const isList = key === 'references' && Array.isArray(value);
  const given = isList ? value.map((file: unknown) => absolute(file, directory)) : value;
  try {
    await validate({ prompt: 'a picture', [option]: given });
  } catch (error) {
    return (error as CodexImageError).message.replace(`\`${option}`, () => `\`${key}`);
  }
  return isList ? problemOfReferences(given as string[], value) : undefined;
}

function problemOfOutput(value: unknown): string | undefined {
  if (value == null) return undefined;
  if (typeof value !== 'string' || value === '') return '`output` must be the name of a file.';
  if (value === '-') return '`output` must be the name of a file: stdout takes one picture.';
  return namesDirectory(value)
    ? `\`output\` names a directory, not a file: “${value}”.`
    : undefined;
}

function absolute<T>(file: T, directory: string): T | string {
  return typeof file === 'string' && file !== '' ? path.resolve(directory, file) : file;
}

/** Values of the line come before options of the command line. */
function asCommand(line: Line, batch: BatchCommand, directory: string): DrawCommand {
  const { mode, force } = batch;
  const { prompt, output, aspect, references, transparent } = line;
  const files = references?.map((file) => path.resolve(directory, file));
  return {
    do: 'draw',
    mode,
    target: {
      file: output == null ? undefined : path.resolve(directory, output),
      toStdout: false,
      force,
    },
    prompt,
    references: references ?? batch.references,
    options: {
      ...batch.options,
      aspect: aspect ?? batch.options.aspect,
      referenceImages: files ?? batch.options.referenceImages,
      transparent: transparent ?? batch.options.transparent,
    },
  };
}

function sharedFiles(pictures: readonly Picture[]): Problem[] {
  const lines = new Map<string, number>();
  return pictures.flatMap(({ number, name, command }) => {
    const { file } = command.target;
    if (file === undefined) return [];
    const earlier = lines.get(file);
    if (earlier === undefined) {
      lines.set(file, number);
      return [];
    }
    const message = `Line ${earlier} has the same \`output\`.`;
    return [{ picture: number, name, key: 'output', message }];
  });
}
