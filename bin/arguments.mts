// Parses the arguments. The addon validates the values of its own options.

import path from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';

import type { CheckOptions, GenerateOptions, RecoverOptions } from 'codex-image';

import { CommandError, sentence } from './failure.mjs';
import type { Settings } from './mcp/draw.mjs';
import { nearest } from './nearest.mjs';

/** Selects what is printed, and in which form. */
export interface OutputMode {
  /** JSON lines for programs. */
  json: boolean;
  quiet: boolean;
  verbose: boolean;
  preview: boolean;
}

/** The requested output file. */
export interface Target {
  /** As the user wrote it. If undefined, this command chooses a name. */
  file: string | undefined;
  toStdout: boolean;
  force: boolean;
}

export type Command =
  | { do: 'help' }
  | { do: 'version' }
  | { do: 'check'; mode: OutputMode; options: CheckOptions }
  | { do: 'verify'; mode: OutputMode; file: string }
  | { do: 'mcp'; mode: OutputMode; settings: Settings }
  | { do: 'recover'; mode: OutputMode; target: Target; options: RecoverOptions }
  | DrawCommand
  | RepeatCommand
  | BatchCommand;

export interface DrawCommand {
  do: 'draw';
  mode: OutputMode;
  target: Target;
  /** `-` stands for stdin. */
  prompt: string;
  /** As the user wrote them. */
  references: string[];
  options: Omit<GenerateOptions, 'prompt'>;
}

/** Draws one prompt several times. */
export type RepeatCommand = Omit<DrawCommand, 'do'> & { do: 'repeat'; count: number };

/** Draws the lines of a file. Its options are the defaults of all lines. */
export type BatchCommand = Omit<DrawCommand, 'do' | 'target' | 'prompt'> & {
  do: 'batch';
  /** As the user wrote it. */
  file: string;
  force: boolean;
};

const OPTIONS = {
  output: { type: 'string', short: 'o' },
  aspect: { type: 'string', short: 'a' },
  ref: { type: 'string', short: 'r', multiple: true },
  transparent: { type: 'boolean', short: 't' },
  count: { type: 'string', short: 'n' },
  batch: { type: 'string' },
  timeout: { type: 'string' },
  force: { type: 'boolean', short: 'f' },
  json: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
  verbose: { type: 'boolean', short: 'v' },
  'no-preview': { type: 'boolean' },
  check: { type: 'boolean' },
  quota: { type: 'boolean' },
  recover: { type: 'string' },
  verify: { type: 'string' },
  codex: { type: 'string' },
  'codex-home': { type: 'string' },
  model: { type: 'string' },
  sandbox: { type: 'string' },
  root: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'V' },
} as const satisfies ParseArgsConfig['options'];

/** Whether `--json` is among arguments that may be invalid. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return args.slice(0, end === -1 ? undefined : end).includes('--json');
}

/**
 * Parses the arguments. Throws a {@link CommandError} if they are invalid. `hasInput` tells whether
 * stdin may hold the prompt.
 */
export function parse(args: string[], hasInput: boolean): Command {
  const { values, positionals, tokens } = read(args);
  if (values.help === true) return { do: 'help' };
  if (values.version === true) return { do: 'version' };

  const mode: OutputMode = {
    json: values.json === true,
    quiet: values.quiet === true,
    verbose: values.verbose === true,
    preview: values['no-preview'] !== true,
  };
  const where = {
    codexPath: absolute('--codex', values.codex),
    codexHome: absolute('--codex-home', values['codex-home']),
  };
  const [prompt, ...more] = positionals;
  const isWord = !tokens.some(({ kind }) => kind === 'option-terminator');
  if (prompt === 'mcp' && isWord) {
    if (more.length > 0) throw usage(`mcp takes no prompt: “${more[0]}”`);
    const other = tokens.find((token) => token.kind === 'option' && !FOR_MCP.has(token.name));
    if (other?.kind === 'option') throw usage(`mcp does not take ${other.rawName}`, other.rawName);
    const root = absolute('--root', values.root);
    const timeoutMs = milliseconds(values.timeout);
    const settings = { ...where, model: values.model, timeoutMs, root };
    return { do: 'mcp', mode, settings };
  }
  if (values.root !== undefined) throw usage('--root is an option of mcp', '--root');
  const flag = (['check', 'recover', 'verify'] as const).find((name) => values[name] !== undefined);
  if (prompt !== undefined && flag !== undefined) {
    throw usage(`--${flag} takes no prompt: “${prompt}”`, `--${flag}`);
  }
  const [one, another] = KINDS.filter((name) => values[name] !== undefined);
  if (another !== undefined) {
    throw usage(`--${one} and --${another} exclude each other`, `--${another}`);
  }
  if (values.verify !== undefined) {
    return { do: 'verify', mode, file: filled('--verify', values.verify) };
  }
  if (values.check === true) {
    return { do: 'check', mode, options: { ...where, quota: values.quota } };
  }
  if (values.quota === true) throw usage('--quota belongs to --check', '--quota');

  const target: Target = {
    file: values.output === '-' ? undefined : fileName('--output', values.output),
    toStdout: values.output === '-',
    force: values.force === true,
  };
  if (target.toStdout && mode.json) throw usage('--json and “-o -” both want stdout', '--output');
  if (values.recover !== undefined) {
    const options = { threadId: values.recover, codexHome: where.codexHome };
    return { do: 'recover', mode, target, options };
  }

  if (values.batch !== undefined) {
    if (prompt !== undefined) throw usage(`--batch takes no prompt: “${prompt}”`, '--batch');
    if (values.output !== undefined) {
      throw usage('--batch takes no --output: each line may name its own', '--output');
    }
    const file = fileName('--batch', values.batch);
    return { do: 'batch', mode, file, force: target.force, ...readPictureOptions(values, where) };
  }

  if (prompt === undefined) {
    const from = hasInput ? '. `-` reads it from stdin' : '';
    // Read as options: `-fox` as `-f -o x`.
    const dash = args.some((arg) => /^-([a-z]{3}|.*\s)/i.test(arg)) ? `. ${AFTER_DASHES}` : '';
    throw usage(`There is no prompt${from}${dash}`);
  }
  if (more.length > 0) throw usage('The prompt is one argument: put it in quotes');
  if (prompt.trim() === '') throw usage('The prompt is blank');
  const meant = COMMANDS.get(prompt);
  if (meant !== undefined && isWord) {
    const advice = `Did you mean \`${meant}\`? To draw the word, put -- before it`;
    throw usage(`“${prompt}” is not taken for a prompt. ${advice}`);
  }
  const pictureOptions = readPictureOptions(values, where);
  const draw: DrawCommand = { do: 'draw', mode, target, prompt, ...pictureOptions };
  const count = values.count === undefined ? 1 : countOf(values.count);
  if (count === 1) return draw;
  if (target.toStdout)
    throw usage('-n and “-o -” exclude each other: stdout takes one picture', '-n');
  return { ...draw, do: 'repeat', count };
}

/** Options of which a command takes only one. */
const KINDS = ['check', 'recover', 'verify', 'batch', 'count'] as const;

function readPictureOptions(
  values: ReturnType<typeof read>['values'],
  where: Pick<GenerateOptions, 'codexPath' | 'codexHome'>,
): Pick<DrawCommand, 'references' | 'options'> {
  const references = values.ref ?? [];
  const options = {
    ...where,
    aspect: values.aspect,
    referenceImages: references.map((file) => path.resolve(filled('--ref', file))),
    transparent: values.transparent,
    timeoutMs: milliseconds(values.timeout),
    model: values.model,
    sandbox: values.sandbox as GenerateOptions['sandbox'],
  };
  return { references, options };
}

/** Higher numbers are more likely mistyped than meant. */
const MAX_COUNT = 100;

function countOf(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MAX_COUNT) return count;
  throw usage(`-n must be a number from 1 to ${MAX_COUNT}, not “${text}”`, '-n');
}

/** Words that other tools have as commands. A picture of one would count against the plan. */
const COMMANDS = new Map([
  ['check', 'codex-image --check'],
  ['help', 'codex-image --help'],
  ['login', 'codex login'],
]);

/** The options of `mcp`. What a tool may do is not among them: its caller may be steered. */
const FOR_MCP = new Set(['codex', 'codex-home', 'model', 'root', 'timeout']);

const AFTER_DASHES = 'If the prompt begins with “-”, put -- before it';

function read(args: string[]) {
  const config = { args, options: OPTIONS, allowPositionals: true, tokens: true } as const;
  const { tokens } = parseArgs({ ...config, strict: false });
  const hasPrompt = tokens.some(({ kind }) => kind === 'positional');
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    const written = (args[token.index] ?? '').replace(/=[^]*/, '');
    // `-force` would be `-f -o rce`, and its picture paid for.
    if (!Object.hasOwn(OPTIONS, name) || Object.hasOwn(OPTIONS, written.slice(1))) {
      const isPhrase = /\s/.test(written);
      const meant = isPhrase
        ? undefined
        : nearest(written.replace(/^-+/, ''), Object.keys(OPTIONS));
      let advice = meant === undefined ? '' : `. Did you mean --${meant}?`;
      if (meant === undefined && !hasPrompt) advice = `. ${AFTER_DASHES}`;
      throw usage(`There is no option “${written}”${advice}`, written);
    }
    const { type } = OPTIONS[name as keyof typeof OPTIONS];
    if (type === 'boolean' && value !== undefined)
      throw usage(`${rawName} takes no value`, rawName);
    if (type === 'string' && value === undefined) throw usage(`${rawName} needs a value`, rawName);
    if (!inlineValue && value !== undefined && /^-./.test(value)) {
      throw usage(`${rawName} needs a value, and “${value}” looks like an option`, rawName);
    }
  }
  return parseArgs(config);
}

/** Converts a time such as `90s` to milliseconds. */
function milliseconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, number, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const time = Math.round(Number(number) * (UNITS[unit] ?? NaN));
  if (Number.isNaN(time)) {
    throw usage(`--timeout must be a time like 90s, 5m or 1h, not “${text}”`, '--timeout');
  }
  return time;
}

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function absolute(flag: string, file: string | undefined): string | undefined {
  return file === undefined ? undefined : path.resolve(filled(flag, file));
}

/** Refuses names that can only be those of directories. */
function fileName<T extends string | undefined>(flag: string, name: T): T {
  filled(flag, name);
  if (name !== undefined && namesDirectory(name)) {
    throw usage(`${flag} names a directory, not a file: “${name}”`, flag);
  }
  return name;
}

/** Whether a name can only be that of a directory. */
export function namesDirectory(name: string): boolean {
  const last = name.split(path.sep === '/' ? '/' : /[\\/]/).at(-1);
  return last === '' || last === '.' || last === '..';
}

function filled<T extends string | undefined>(flag: string, text: T): T {
  if (text === '') throw usage(`${flag} is empty`, flag);
  return text;
}

function usage(problem: string, option?: string): CommandError {
  const message = `${sentence(problem)} \`codex-image --help\` tells how it is used`;
  return new CommandError('USAGE', message, option === undefined ? {} : { option });
}
