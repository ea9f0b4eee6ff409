// Runs a command, from its arguments to its exit code.

import { isUtf8 } from 'node:buffer';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { isatty } from 'node:tty';

import type { GeneratedImage } from 'codex-image';

import { loadAddon } from './addon.mjs';
import { type Command, type OutputMode, parse, type Target, wantsJson } from './arguments.mjs';
import { CommandError, EXIT, explain, sentence } from './failure.mjs';
import { HELP, version } from './help.mjs';
import { type Destination, prepare, save } from './output.mjs';
import { printable } from './printable.mjs';
import { forPeople, forPrograms, type Reporter } from './reporter.mjs';
import { stopOnSignal } from './stop.mjs';
import { discardsStdout, ignoreStreamErrors, printIfRead, print } from './streams.mjs';

/** Resolves with the exit code. */
export async function main(args: string[]): Promise<number> {
  ignoreStreamErrors();
  let reporter = reporterFor({
    json: wantsJson(args),
    quiet: false,
    verbose: false,
    preview: false,
  });
  let command: Command | undefined;
  try {
    command = parse(args, !isatty(0));
    if (command.do !== 'help' && command.do !== 'version') reporter = reporterFor(command.mode);
    return await perform(command, reporter);
  } catch (error) {
    const failure = explain(error, command);
    await reporter.failed(failure).catch((another: unknown) => {
      process.stderr.write(printable(`codex-image: ${explain(another).message}\n`));
    });
    return failure.exit;
  }
}

function reporterFor(mode: OutputMode): Reporter {
  return mode.json ? forPrograms() : forPeople(mode);
}

async function perform(command: Command, reporter: Reporter): Promise<number> {
  switch (command.do) {
    case 'help':
      await printIfRead(HELP);
      return EXIT.ok;
    case 'version':
      await printIfRead(`${version()}\n`);
      return EXIT.ok;
    case 'check': {
      const { checkCodex } = await loadAddon();
      const readiness = await checkCodex(command.options);
      await reporter.readiness(readiness, command);
      return readiness.ready ? EXIT.ok : EXIT.notReady;
    }
    case 'mcp': {
      // Outside of the bundle of the command line: no other command needs it.
      const { serveMcp } = await import('./mcp.mjs');
      await serveMcp(command.settings, stopOnSignal());
      return EXIT.ok;
    }
    case 'recover': {
      const destination = await destinationFor(command.target, 'picture');
      const { recoverCodexImage } = await loadAddon();
      await deliver(await recoverCodexImage(command.options), destination, reporter);
      return EXIT.ok;
    }
    case 'draw': {
      const prompt = command.prompt === '-' ? await readPrompt() : command.prompt;
      const signal = stopOnSignal();
      const destination = await destinationFor(command.target, prompt);
      const { generateCodexImageDetailed } = await loadAddon();
      const options = { ...command.options, prompt, signal };
      const image = await generateCodexImageDetailed(options, (_, event) =>
        reporter.progress(event),
      );
      await deliver(image, destination, reporter);
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

/** Checks that the image can be written. Undefined stands for stdout. */
async function destinationFor(target: Target, title: string): Promise<Destination | undefined> {
  if (!target.toStdout) return prepare(target, title);
  if (process.stdout.isTTY) {
    throw new CommandError('USAGE', 'stdout is a terminal, on which a PNG file is of no use');
  }
  if (discardsStdout()) {
    throw new CommandError('OUTPUT_FAILED', 'stdout is closed, so the picture would be lost');
  }
  return undefined;
}

async function deliver(
  image: GeneratedImage,
  destination: Destination | undefined,
  reporter: Reporter,
): Promise<void> {
  const file = await write(image, destination);
  if (
    destination !== undefined &&
    file !== undefined &&
    !destination.anyName &&
    file !== destination.file
  ) {
    const report = `${destination.file} appeared meanwhile, and was left alone. The picture is in ${file}`;
    throw new CommandError('OUTPUT_EXISTS', report, { path: file });
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
async function write(
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
    const report = `${sentence(error.message)} Codex has kept the picture: \`${advice}\``;
    throw new CommandError(error.code, report, { threadId });
  }
}
