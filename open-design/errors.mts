// What a render can fail with before the addon is called. The addon's own errors pass through
// unchanged.

import type { CodexImageErrorCode } from 'codex-image';

/** Why a render failed. Stable: programs may switch on it. */
export type CodexCliImageErrorCode = CodexImageErrorCode | 'CODEX_IMAGE_ADDON_UNAVAILABLE';

/** What a render rejects with, unless it was aborted: exactly what the task route copies, and public-safe. */
export interface CodexCliImageError extends Error {
  name: 'CodexImageError';
  code: CodexCliImageErrorCode;
  /** An HTTP-like number; never 0 or 2, also not as an exit code. */
  status: number;
  /** Whether the same call may well succeed if it is made again. */
  retryable: boolean;
}

/** An error with the members of the addon's own; `INVALID_OPTIONS` is a `TypeError` as well. */
export function renderError(
  code: CodexCliImageErrorCode,
  status: number,
  message: string,
  options?: ErrorOptions,
): Error & CodexCliImageError {
  const error = new (code === 'INVALID_OPTIONS' ? TypeError : Error)(message, options);
  const name = 'CodexImageError';
  // Not enumerable, as in any error.
  Object.defineProperty(error, 'name', { value: name, writable: true, configurable: true });
  // The first line of the stack has the name.
  Error.captureStackTrace(error, renderError);
  return Object.assign(error, { name, code, status, retryable: false } as const);
}
