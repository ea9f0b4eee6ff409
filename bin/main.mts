// Runs a command, from its arguments to its exit code.

import { isUtf8 } from 'node:buffer';
import { buffer } from 'node:stream/consumers';
import { isatty } from 'node:tty';

import { loadAddon } from './addon.mjs';
import { type Command, type OutputMode, parse, wantsJson } from './arguments.mjs';
import { readBatch } from './batch.mjs';
import { deliver, destinationFor } from './deliver.mjs';
import { adviceOn, CommandError, EXIT, explain } from './failure.mjs';
import { HELP, version } from './help.mjs';
import { printable } from './printable.mjs';
import { forPeople, forPrograms, type Reporter } from './reporter.mjs';
import { repeat } from './repeat.mjs';
import { drawSeveral } from './several.mjs';
import { stopOnSignal } from './stop.mjs';
import { ignoreStreamErrors, printIfRead } from './streams.mjs';
import { verify } from './verify.mjs';

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
    return await perform(command, reporter, args);
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

async function perform(command: Command, reporter: Reporter, args: string[]): Promise<number> {
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
      for (const problem of readiness.problems) problem.fix += adviceOn(problem.code, command);
      await reporter.readiness(readiness);
      return readiness.ready ? EXIT.ok : EXIT.notReady;
    }
    case 'verify':
      return verify(command.file, command.mode);
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
    case 'repeat': {
      const prompt = command.prompt === '-' ? await readPrompt() : command.prompt;
      return drawSeveral(await repeat({ ...command, prompt }), reporter, commandOf(args));
    }
    case 'batch':
      return drawSeveral(await readBatch(command), reporter, commandOf(args));
  }
}

/** The command line, to be pasted into a shell. */
function commandOf(args: readonly string[]): string {
  return ['codex-image', ...args.map(shellWord)].join(' ');
}

function shellWord(word: string): string {
  const isWindows = process.platform === 'win32';
  if ((isWindows ? /^[\w@%+=:,./\\-]+$/ : /^[\w@%+=:,./-]+$/).test(word)) return word;
  // cmd.exe knows only double quotes.
  return isWindows ? `"${word}"` : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

async function readPrompt(): Promise<string> {
  const bytes = await buffer(process.stdin);
  if (!isUtf8(bytes)) throw new CommandError('USAGE', 'The prompt on stdin is not UTF-8');
  const prompt = bytes.toString().replace(/\r?\n$/, '');
  if (prompt.trim() === '') throw new CommandError('USAGE', 'The prompt on stdin is blank');
  return prompt;
}
