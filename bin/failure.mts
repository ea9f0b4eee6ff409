// What can go wrong, in one shape, and the exit code that goes with it.

import { getSystemErrorMap } from 'node:util';

import type { CodexImageErrorCode } from 'codex-image';

import type { Command } from './arguments.mjs';

/** What this command exits with. Stable: scripts may switch on it. The numbers are those of BSD's sysexits.h. */
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

/** Why there is no picture where it was asked for. */
export interface Failure {
  code: string;
  /** For people. */
  message: string;
  /** What this command exits with. */
  exit: number;
  /** What `--verbose` adds, such as the end of what Codex said. */
  detail?: string | undefined;
  /** What programs are told besides. */
  members: object;
}

/** A failure of this command's own. */
export class CommandError extends Error {
  constructor(
    readonly code: Exclude<Code, CodexImageErrorCode | 'STOPPED'>,
    /** Without its full stop. */
    message: string,
    /** What programs are told besides. */
    readonly members: { path?: string; threadId?: string } = {},
    /** For `--verbose`. */
    readonly detail?: string,
  ) {
    super(message);
  }
}

/** What the system has refused, in its words. */
export function unwritable(file: string, error: unknown): CommandError {
  const { errno, message } = error as NodeJS.ErrnoException;
  const [, words = message] = getSystemErrorMap().get(errno ?? NaN) ?? [];
  return new CommandError('OUTPUT_FAILED', `${file} cannot be written: ${words}`);
}

/** A signal has ended the run. */
export class Stopped extends Error {
  constructor(readonly signal: StopSignal) {
    super(`Stopped by ${signal}`);
  }
}

/** What went wrong with `command`, where its arguments could be read. */
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
    const own: { code: CodexImageErrorCode; detail?: string } = Object.assign(
      Object.create(null),
      error,
    );
    const { code, detail, ...members } = own;
    const drawing = command?.do === 'draw';
    const told = inWordsOfThisCommand(error.message, drawing ? command.references : []);
    // The other commands have no such options, or tell it themselves.
    const message = `${told}${drawing ? adviceOn(code) : ''}`;
    return { code, message, exit: EXIT_CODES[code], detail, members };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const told = `codex-image failed internally: ${message}. Please report this.`;
  return { code: 'INTERNAL', message: told, exit: EXIT.failed, detail: stack, members: {} };
}

/** What the options of the API are called here. A map, which knows no `constructor`. */
const FLAGS = new Map([
  ['aspect', '--aspect'],
  ['codexHome', '--codex-home'],
  ['codexPath', '--codex'],
  ['model', '--model'],
  ['threadId', '--recover'],
  ['timeoutMs', '--timeout'],
]);

/** Names this command's flags instead of the API's options. `references` are the values of `--ref`. */
export function inWordsOfThisCommand(text: string, references: readonly string[] = []): string {
  return text
    .replace(/`referenceImages\[(\d+)\]`/, (_, index) => `\`--ref ${references[Number(index)]}\``)
    .replace(/`referenceImages`/, '`--ref`')
    .replaceAll(/`(\w+)`/g, (quoted, name: string) => {
      const flag = FLAGS.get(name);
      return flag === undefined ? quoted : `\`${flag}\``;
    });
}

/** What the messages of the API cannot advise: they are for readers without these options. */
const ADVICE = new Map([
  ['CODEX_NOT_FOUND', 'Or say where it is with --codex.'],
  ['TIMEOUT', 'Allow more time with --timeout.'],
]);

/** A sentence to be put behind the message of `code`, or nothing. */
export function adviceOn(code: string): string {
  const advice = ADVICE.get(code);
  return advice === undefined ? '' : ` ${advice}`;
}
