// Defines the errors of a render. Errors of the addon pass through unchanged, except if they name
// an option that a variable has set.

import type { CodexImageErrorCode } from 'codex-image';

/** The code of a failed render. Stable: programs may switch on it. */
export type CodexCliImageErrorCode = CodexImageErrorCode | 'CODEX_IMAGE_ADDON_UNAVAILABLE';

/**
 * The error that a render rejects with, unless it was aborted. The daemon's task route copies these
 * members.
 */
export interface CodexCliImageError extends Error {
  name: 'CodexImageError';
  code: CodexCliImageErrorCode;
  /** One line for end users: no path, no output of Codex, no secret. */
  message: string;
  /** An HTTP-like number. As an exit code, which is taken modulo 256, it is never 0 or 2. */
  status: number;
  /** Whether the same call may succeed if you make it again. */
  retryable: boolean;
  /** With `INVALID_OPTIONS`, the option or the variable that the message names. */
  option?: string;
}

interface Members {
  code: CodexCliImageErrorCode;
  status: number;
  option?: string;
}

/** Creates an error like the addon's own. With `INVALID_OPTIONS` it is a `TypeError` as well. */
export function renderError(
  { code, status, option }: Members,
  message: string,
  cause?: unknown,
): Error & CodexCliImageError {
  const options = cause === undefined ? undefined : { cause };
  const error = new (code === 'INVALID_OPTIONS' ? TypeError : Error)(message, options);
  const name = 'CodexImageError';
  // Not enumerable, as in built-in errors.
  const hidden = { writable: true, configurable: true };
  Object.defineProperties(error, {
    name: { ...hidden, value: name },
    toJSON: { ...hidden, value: toJSON },
  });
  // Captures the stack again, so that its first line has the name.
  Error.captureStackTrace(error, renderError);
  // Newer versions of V8 capture it as an accessor.
  Object.defineProperty(error, 'stack', { ...hidden, value: error.stack });
  const members = { name, code, status, retryable: false } as const;
  return Object.assign(error, members, option === undefined ? {} : { option });
}

/** `toJSON` of an error, as in the addon: its members but the stack, as data. */
function toJSON(this: Error): object {
  const { name, message } = this;
  return { name, message, ...(this as object) };
}
