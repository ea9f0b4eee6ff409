// What a render can fail with before the addon has its say. The addon's own errors pass through unchanged.

import type { CodexImageErrorCode } from '@open-design/codex-image';

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

/** An error of the shape that the addon's own have. */
export class RenderError extends Error implements CodexCliImageError {
  override readonly name = 'CodexImageError';
  readonly retryable = false;

  constructor(
    readonly code: CodexCliImageErrorCode,
    readonly status: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
