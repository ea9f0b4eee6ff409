// What each command does, from its arguments to its exit code.

import { isUtf8 } from 'node:buffer';
import { buffer } from 'node:stream/consumers';

import type { GeneratedImage } from 'codex-image';

import { loadAddon } from './addon.mjs';
import { type Command, type Manner, parse, type Target, wantsJson } from './arguments.mjs';
import { CommandError, EXIT, explain } from './failure.mjs';
import { HELP, version } from './help.mjs';
import { type Place, prepare, save } from './output.mjs';
import { forPeople, forPrograms, type Reporter } from './reporter.mjs';
import { stopOnSignal } from './stop.mjs';
import { offer, outliveReaders, print } from './streams.mjs';

/** Resolves with the exit code. */
export async function main(args: string[]): Promise<number> {
  outliveReaders();
  let reporter = reporterFor({
    json: wantsJson(args),
    quiet: false,
    verbose: false,
    preview: false,
  });
  let references: string[] = [];
  try {
    const command = parse(args);
    if (command.do !== 'help' && command.do !== 'version') reporter = reporterFor(command.manner);
    if (command.do === 'draw') references = command.references;
    return await perform(command, reporter);
  } catch (error) {
    const failure = explain(error, references);
    await reporter.failed(failure).catch((untold: unknown) => {
      process.stderr.write(`codex-image: ${explain(untold).message}\n`);
    });
    return failure.exit;
  }
}

function reporterFor(manner: Manner): Reporter {
  return manner.json ? forPrograms() : forPeople(manner);
}

async function perform(command: Command, reporter: Reporter): Promise<number> {
  switch (command.do) {
    case 'help':
      await offer(HELP);
      return EXIT.ok;
    case 'version':
      await offer(`${version()}\n`);
      return EXIT.ok;
    case 'check': {
      const { checkCodex } = await loadAddon();
      const readiness = await checkCodex(command.options);
      await reporter.readiness(readiness);
      return readiness.ready ? EXIT.ok : EXIT.notReady;
    }
    case 'recover': {
      const place = await placeFor(command.target, 'picture');
      const { recoverCodexImage } = await loadAddon();
      await deliver(await recoverCodexImage(command.options), place, reporter);
      return EXIT.ok;
    }
    case 'draw': {
      const prompt = command.prompt === '-' ? await readPrompt() : command.prompt;
      const signal = stopOnSignal();
      const place = await placeFor(command.target, prompt);
      const { generateCodexImageDetailed } = await loadAddon();
      const options = { ...command.options, prompt, signal };
      const image = await generateCodexImageDetailed(options, (_, event) =>
        reporter.progress(event),
      );
      await deliver(image, place, reporter);
      return EXIT.ok;
    }
  }
}

async function readPrompt(): Promise<string> {
  const bytes = await buffer(process.stdin);
  if (!isUtf8(bytes)) throw new CommandError('USAGE', 'The prompt on stdin is not UTF-8');
  const prompt = bytes.toString().replace(/\r?\n$/, '');
  if (prompt.trim() === '') throw new CommandError('USAGE', 'The prompt on stdin is blank');
  return prompt;
}

/** Undefined stands for stdout. */
async function placeFor(target: Target, title: string): Promise<Place | undefined> {
  if (!target.toStdout) return prepare(target, title);
  if (!process.stdout.isTTY) return undefined;
  throw new CommandError('USAGE', 'stdout is a terminal, on which a PNG file is of no use');
}

async function deliver(
  image: GeneratedImage,
  place: Place | undefined,
  reporter: Reporter,
): Promise<void> {
  const file = await put(image, place);
  if (place !== undefined && file !== undefined && !place.anyName && file !== place.file) {
    const told = `${place.file} appeared meanwhile, and was left alone. The picture is in ${file}`;
    throw new CommandError('OUTPUT_EXISTS', told, { path: file });
  }
  await reporter.done(image, file);
}

/** Where the picture is now; undefined stands for stdout. */
async function put(image: GeneratedImage, place: Place | undefined): Promise<string | undefined> {
  const { png, threadId } = image;
  try {
    if (place !== undefined) return await save(png, place);
    await print(png);
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError) || threadId === undefined) throw error;
    const advice = `codex-image --recover ${threadId} -o FILE`;
    const told = `${error.message}. Codex has kept the picture: \`${advice}\``;
    throw new CommandError(error.code, told, { threadId });
  }
}
