// Converts every error to what a tool answers: a code, a message and what to do. Never a stack.

import type { CodexImageError, CodexImageErrorCode } from 'codex-image';

import { CommandError, sentence } from '../failure.mjs';

type Code =
  | CodexImageErrorCode
  | 'CODEX_IMAGE_ADDON_UNAVAILABLE'
  | 'NO_ROOTS'
  | 'OUTPUT_EXISTS'
  | 'OUTPUT_FAILED'
  | 'OUTSIDE_ROOTS';

/** A failure, as tools report it. */
export interface ToolFailure {
  code: string;
  message: string;
  fix: string;
  retryable: boolean;
  thread_id?: string;
  resets_at?: string;
}

/** A call that this server refuses, or whose image it cannot write. */
export class ToolError extends Error {
  constructor(
    readonly code: Code,
    /** Without its full stop. */
    message: string,
    readonly threadId?: string,
  ) {
    super(message);
  }
}

const TELL_THE_USER = 'Only the user can change this: pass on the message. check_codex tells more.';

/** What the calling agent should do. The message says what the user can do. */
const FIXES: Record<Code, string> = {
  INVALID_OPTIONS: 'Correct the argument that the message names, and call again.',
  NO_ROOTS: 'Only the user can change this: pass on the message.',
  OUTSIDE_ROOTS: 'Use a path relative to the first root, which lies within it.',
  OUTPUT_EXISTS: 'Choose another output_path, or leave it out: no file is ever replaced.',
  OUTPUT_FAILED: 'Choose another output_path, in a directory that exists and can be written to.',
  CODEX_IMAGE_ADDON_UNAVAILABLE: TELL_THE_USER,
  CODEX_NOT_FOUND: TELL_THE_USER,
  NOT_SIGNED_IN: TELL_THE_USER,
  API_KEY_LOGIN: TELL_THE_USER,
  IMAGE_GEN_UNAVAILABLE: TELL_THE_USER,
  WORKSPACE_FAILED: TELL_THE_USER,
  SPAWN_FAILED: TELL_THE_USER,
  CODEX_FAILED: TELL_THE_USER,
  INTERNAL: 'Pass on the message to the user.',
  NO_IMAGE: 'Draw again, with a prompt that describes one picture.',
  INVALID_IMAGE: 'Draw again once.',
  IMAGE_TOO_LARGE: 'Describe a simpler picture.',
  SAFETY_REJECTED: 'Reword the prompt; do not repeat it.',
  USAGE_LIMIT: 'Do not call again before the limit resets: tell the user when that is.',
  RATE_LIMITED: 'Wait a minute before you call again.',
  BACKEND_ERROR: 'Call again once if it is retryable; otherwise pass on the message.',
  TIMEOUT: 'Call again once.',
};

const RECOVER = 'The picture may exist: call recover_image with thread_id first, at no cost.';
/** Failures after which Codex may have kept an image. */
const RECOVERABLE = new Set<string>(['TIMEOUT', 'OUTPUT_FAILED', 'CODEX_FAILED', 'BACKEND_ERROR']);

export function failureOf(error: unknown): ToolFailure {
  if (error instanceof ToolError) return failure(error.code, error.message, error.threadId);
  if (error instanceof CommandError) return failure(error.code, error.message);
  if (error instanceof Error && error.name === 'CodexImageError') {
    const { code, retryable, option, threadId, resetsAt }: Partial<CodexImageError> = Object.assign(
      Object.create(null),
      error,
    );
    const message = option === undefined ? error.message : inArguments(error.message, option);
    return {
      ...failure(code ?? 'INTERNAL', message, threadId),
      retryable: retryable === true,
      ...(resetsAt instanceof Date ? { resets_at: resetsAt.toISOString() } : {}),
    };
  }
  // Its message may contain a path.
  return failure('INTERNAL', 'codex-image failed internally');
}

function failure(code: string, message: string, threadId?: string): ToolFailure {
  const fix = Object.hasOwn(FIXES, code) ? FIXES[code as Code] : FIXES.INTERNAL;
  const isRecoverable = threadId !== undefined && RECOVERABLE.has(code);
  return {
    code,
    message: sentence(message),
    fix: isRecoverable ? `${RECOVER} ${fix}` : fix,
    retryable: false,
    ...(threadId === undefined ? {} : { thread_id: threadId }),
  };
}

/** The arguments of the API's options. A map, because an object would inherit `constructor`. */
const ARGUMENTS = new Map([
  ['referenceImages', 'reference_images'],
  ['threadId', 'thread_id'],
]);

/** Names the argument in place of the API's option. */
function inArguments(message: string, option: string): string {
  const name = option.replace(/\[.*/, '');
  const argument = option.replace(name, ARGUMENTS.get(name) ?? name);
  return message.replace(`\`${option}\``, () => `\`${argument}\``);
}
