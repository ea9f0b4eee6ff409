// Converts every error to one shape, with its exit code.

import { getSystemErrorMap } from 'node:util';

import type { CodexImageError, CodexImageErrorCode } from 'codex-image';

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

export const SIGNAL_EXITS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

export type StopSignal = keyof typeof SIGNAL_EXITS;

type Code =
  | CodexImageErrorCode
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
  members: object;
}

/** A failure of this command itself. */
export class CommandError extends Error {
  constructor(
    readonly code: Exclude<Code, CodexImageErrorCode | 'STOPPED'>,
    /** Without its full stop. */
    message: string,
    /** Further members for `--json`. */
    readonly members: { path?: string; threadId?: string } = {},
    /** Printed with `--verbose`. */
    readonly detail?: string,
  ) {
    super(message);
  }
}

/** The error for an output that the system refuses to write. */
export function unwritable(file: string, error: unknown): CommandError {
  const { errno, message } = error as NodeJS.ErrnoException;
  const [, reason = message] = getSystemErrorMap().get(errno ?? NaN) ?? [];
  return new CommandError('OUTPUT_FAILED', `${file} cannot be written: ${reason}`);
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
    return { code, message: `${message}.`, exit: EXIT_CODES[code], detail, members };
  }
  if (error instanceof Error && error.name === 'CodexImageError') {
    const own: Pick<CodexImageError, 'code' | 'option' | 'detail'> = Object.assign(
      Object.create(null),
      error,
    );
    const { code, option, detail, ...members } = own;
    const drawing = command?.do === 'draw';
    const flag = option && flagOf(option, drawing ? command.references : []);
    const named = flag
      ? error.message.replace(`\`${option}\``, () => `\`${flag}\``)
      : error.message;
    // The other commands have no such flags, or print the advice themselves.
    const message = `${named}${drawing ? adviceOn(code) : ''}`;
    return { code, message, exit: EXIT_CODES[code], detail, members };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const report = `codex-image failed internally: ${message}. Please report this.`;
  return { code: 'INTERNAL', message: report, exit: EXIT.failed, detail: stack, members: {} };
}

/** The flags of the API's options. A map, because an object would inherit `constructor`. */
const FLAGS = new Map([
  ['aspect', '--aspect'],
  ['codexHome', '--codex-home'],
  ['codexPath', '--codex'],
  ['model', '--model'],
  ['referenceImages', '--ref'],
  ['sandbox', '--sandbox'],
  ['threadId', '--recover'],
  ['timeoutMs', '--timeout'],
]);

/** The flag of an option, if it has one. `references` are the values of `--ref`. */
function flagOf(option: string, references: readonly string[]): string | undefined {
  const reference = references.find((_, index) => option === `referenceImages[${index}]`);
  return reference === undefined ? FLAGS.get(option) : `--ref ${reference}`;
}

/** Advice that needs this command's flags, which the API's messages cannot name. */
const ADVICE = new Map([
  ['CODEX_NOT_FOUND', 'Or say where it is with --codex.'],
  ['TIMEOUT', 'Allow more time with --timeout.'],
]);

/** A sentence to append to the message of `code`, or nothing. */
export function adviceOn(code: string): string {
  const advice = ADVICE.get(code);
  return advice === undefined ? '' : ` ${advice}`;
}
