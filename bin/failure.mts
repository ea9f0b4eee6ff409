// Converts every error to one shape, with its exit code.

import { existsSync } from 'node:fs';
import path from 'node:path';
import { getSystemErrorMap } from 'node:util';

import type { CheckOptions, CodexImageError, CodexImageErrorCode } from 'codex-image';

import type { Command } from './arguments.mjs';

/** Exit codes, from BSD's sysexits.h. Stable: scripts may switch on them. */
export const EXIT = {
  ok: 0,
  usage: 64,
  noPicture: 65,
  notReady: 69,
  failed: 70,
  output: 73,
  later: 75,
} as const;

/** SIGBREAK is Ctrl-Break on Windows. Other systems do not have it. */
export const SIGNAL_EXITS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143, SIGBREAK: 149 } as const;

export type StopSignal = keyof typeof SIGNAL_EXITS;

type Code =
  | CodexImageErrorCode
  | 'ALREADY_RUNNING'
  | 'CODEX_IMAGE_ADDON_UNAVAILABLE'
  | 'OUTPUT_EXISTS'
  | 'OUTPUT_FAILED'
  | 'STOPPED'
  | 'USAGE';

const EXIT_CODES: Record<Exclude<Code, 'STOPPED'>, number> = {
  USAGE: EXIT.usage,
  INVALID_OPTIONS: EXIT.usage,
  NO_IMAGE: EXIT.noPicture,
  INVALID_IMAGE: EXIT.noPicture,
  IMAGE_TOO_LARGE: EXIT.noPicture,
  SAFETY_REJECTED: EXIT.noPicture,
  CODEX_IMAGE_ADDON_UNAVAILABLE: EXIT.notReady,
  CODEX_NOT_FOUND: EXIT.notReady,
  NOT_SIGNED_IN: EXIT.notReady,
  API_KEY_LOGIN: EXIT.notReady,
  IMAGE_GEN_UNAVAILABLE: EXIT.notReady,
  CODEX_FAILED: EXIT.failed,
  SPAWN_FAILED: EXIT.failed,
  INTERNAL: EXIT.failed,
  OUTPUT_EXISTS: EXIT.output,
  OUTPUT_FAILED: EXIT.output,
  WORKSPACE_FAILED: EXIT.output,
  ALREADY_RUNNING: EXIT.later,
  USAGE_LIMIT: EXIT.later,
  RATE_LIMITED: EXIT.later,
  BACKEND_ERROR: EXIT.later,
  TIMEOUT: EXIT.later,
};

/** A failure of a command, ready to be printed. */
export interface Failure {
  code: string;
  /** For people. */
  message: string;
  /** The exit code of this command. */
  exit: number;
  /** Printed with `--verbose`, such as the end of Codex's output. */
  detail?: string | undefined;
  /** Further members for `--json`. */
  members: Members;
}

interface Members {
  path?: string;
  threadId?: string;
  resetsAt?: Date;
  problems?: Problem[];
  [member: string]: unknown;
}

/** What is wrong with one of several pictures. */
export interface Problem {
  /** The number of the line in the batch, or of the file. */
  picture: number;
  /** For people: `line 7`, or `fox-2.png`. */
  name: string;
  /** Of the line. */
  key?: string;
  message: string;
}

/** A failure of this command itself. */
export class CommandError extends Error {
  constructor(
    readonly code: Exclude<Code, CodexImageErrorCode | 'STOPPED'>,
    /** Without its full stop. */
    message: string,
    /** Further members for `--json`. */
    readonly members: {
      option?: string;
      path?: string;
      threadId?: string;
      problems?: Problem[];
    } = {},
    /** Printed with `--verbose`. */
    readonly detail?: string,
  ) {
    super(message);
  }
}

/** The error for an output that the system refuses to write. */
export function unwritable(file: string, error: unknown): CommandError {
  const { code } = error as NodeJS.ErrnoException;
  const directory = path.dirname(file);
  // Some directories refuse every file with ENOENT, such as /proc.
  if (code === 'ENOENT' && !existsSync(directory)) {
    return new CommandError('OUTPUT_FAILED', `The directory ${directory} does not exist`);
  }
  return new CommandError('OUTPUT_FAILED', `${file} cannot be written: ${reasonOf(error)}`);
}

/** The system's reason why a file cannot be read or written. */
export function reasonOf(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  const [, reason = message] = getSystemErrorMap().get(errno ?? NaN) ?? [];
  return reason;
}

/** The error for a run that a signal has stopped. */
export class Stopped extends Error {
  constructor(readonly signal: StopSignal) {
    super(`Stopped by ${signal}`);
  }
}

/** Converts an error of `command`, which is undefined if the arguments could not be parsed. */
export function explain(error: unknown, command?: Command): Failure {
  if (error instanceof Stopped) {
    const { message, signal } = error;
    return {
      code: 'STOPPED',
      message: `${message}.`,
      exit: SIGNAL_EXITS[signal],
      members: { signal },
    };
  }
  if (error instanceof CommandError) {
    const { code, message, members, detail } = error;
    return { code, message: sentence(message), exit: EXIT_CODES[code], detail, members };
  }
  if (error instanceof Error && error.name === 'CodexImageError') {
    const own: Pick<CodexImageError, 'code' | 'option' | 'detail'> = Object.assign(
      Object.create(null),
      error,
    );
    const { code, option, detail, ...members } = own;
    if (option === undefined) {
      const text = `${error.message}${adviceOn(code, command)}`;
      return { code, message: text, exit: EXIT_CODES[code], detail, members };
    }
    const flag = FLAGS.get(option.replace(/\[.*/, '')) ?? option;
    const references = command !== undefined && 'references' in command ? command.references : [];
    const reference = references.find((_, index) => option === `referenceImages[${index}]`);
    const written = reference === undefined ? flag : `${flag} ${reference}`;
    const text = error.message.replace(`\`${option}\``, () => `\`${written}\``);
    const all = { option: flag, ...members };
    return { code, message: text, exit: EXIT_CODES[code], detail, members: all };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const report = `codex-image failed internally: ${sentence(message)} Please report this.`;
  return { code: 'INTERNAL', message: report, exit: EXIT.failed, detail: stack, members: {} };
}

/** Adds a full stop unless the text has one. */
export function sentence(text: string): string {
  return /[.?!]”?$/.test(text) ? text : `${text}.`;
}

/** The flags of the API's options. A map, because an object would inherit `constructor`. */
const FLAGS = new Map([
  ['aspect', '--aspect'],
  ['codexHome', '--codex-home'],
  ['codexPath', '--codex'],
  ['model', '--model'],
  ['prompt', 'PROMPT'],
  ['quota', '--quota'],
  ['referenceImages', '--ref'],
  ['sandbox', '--sandbox'],
  ['threadId', '--recover'],
  ['timeoutMs', '--timeout'],
]);

/**
 * Returns a sentence to append to the message of `code`, or nothing: the path that the user has
 * set, which the API's messages do not contain, or advice that needs this command's flags.
 */
export function adviceOn(code: string, command: Command | undefined): string {
  if (command === undefined || !('options' in command)) return '';
  const { codexPath, codexHome }: CheckOptions = command.options;
  if (code === 'CODEX_NOT_FOUND') {
    return setting('--codex', codexPath, 'CODEX_BIN') ?? ' Or say where it is with --codex.';
  }
  if (code === 'NOT_SIGNED_IN' || (code === 'NO_IMAGE' && command.do === 'recover')) {
    return setting('--codex-home', codexHome, 'CODEX_HOME') ?? '';
  }
  return code === 'TIMEOUT' && command.do === 'draw' ? ' Allow more time with --timeout.' : '';
}

function setting(
  flag: string,
  value: string | null | undefined,
  variable: string,
): string | undefined {
  if (value != null) return ` ${flag} is “${value}”.`;
  const text = process.env[variable]?.trim();
  return text ? ` ${variable} is “${text}”.` : undefined;
}
