// The pictures of `-n`: one prompt, several files.

import { existsSync } from 'node:fs';
import path from 'node:path';

import type { RepeatCommand } from './arguments.mjs';
import { CommandError } from './failure.mjs';
import { keysIn } from './journal.mjs';
import { numbered } from './numbered.mjs';
import { nameFrom, namesLike } from './output.mjs';
import { keysOf, problemOfReferences, type Series, validate } from './series.mjs';

/** Throws a {@link CommandError}, or the API's error, if an option is invalid. */
export async function repeat(command: RepeatCommand): Promise<Series> {
  const { options, prompt, references, target } = command;
  await validate({ ...options, prompt });
  const problem = await problemOfReferences(options.referenceImages ?? [], references);
  if (problem !== undefined) throw new CommandError('USAGE', problem, { option: '--ref' });
  if (target.file !== undefined) return seriesOf(command, path.resolve(target.file));
  // Without a name, as for one picture: the first that is free, or that an earlier run has begun.
  const names = namesLike(path.resolve(`${nameFrom(prompt)}.png`));
  for (;;) {
    const series = seriesOf(command, names.next().value);
    const known = keysIn(series.journal);
    const isOurs = keysOf(series).some((key) => known.has(key));
    const files = series.pictures.map(({ command: { target: of } }) => of.file ?? '');
    const isFree = ![series.journal, ...files].some((taken) => existsSync(taken));
    if (isOurs || isFree) return series;
  }
}

function seriesOf({ count, ...command }: RepeatCommand, file: string): Series {
  const pictures = Array.from({ length: count }, (_, index) => {
    const ofThis = numbered(file, index + 1, count);
    return {
      number: index + 1,
      name: path.basename(ofThis),
      command: { ...command, do: 'draw' as const, target: { ...command.target, file: ofThis } },
    };
  });
  return {
    pictures,
    directory: path.dirname(file),
    journal: `${file}.journal`,
    keepsJournal: false,
  };
}
