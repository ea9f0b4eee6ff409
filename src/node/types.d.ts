/* The build generates index.d.ts. The hand-written part of it is src/node/types.d.ts. */
/// <reference types="node" />

/**
 * Receives progress events in order, and never after the promise has settled. Errors and return
 * values of the callback do not change the outcome.
 */
export type OnProgress = (message: string, event: ProgressEvent) => void

/**
 * Options of a generation. Every option but `prompt` may be absent, undefined or null.
 */
export interface GenerateOptions {
  /**
   * The description of the image; not blank, no NUL characters. It reaches Codex unchanged, marked
   * as a description and not as instructions.
   */
  prompt: string
  /**
   * Aspect ratio, width to height, as two whole numbers; `'1:1'` by default. Codex is asked for it,
   * but the image may have another one: see `GeneratedImage.aspect`. Images are not resized. If you
   * give this option, an image that differs by more than 3 per cent has a warning.
   */
  aspect?: string | null | undefined
  /**
   * Absolute path of the Codex CLI; by default `CODEX_BIN`, then PATH, then the directories of the
   * usual installers and of the desktop app.
   */
  codexPath?: string | null | undefined
  /**
   * Absolute path of Codex's home, which holds its login, configuration and image store; by default
   * `CODEX_HOME` of `env`, then `~/.codex`.
   */
  codexHome?: string | null | undefined
  /**
   * The environment of the Codex process; by default `process.env` at the time of the call.
   * `CODEX_API_KEY`, `CODEX_ACCESS_TOKEN` and `OPENAI_API_KEY` are always removed: they would bill
   * a key, or disable the image tool. The agent's shell gets only Codex's `core` set of variables,
   * such as `HOME` and `PATH`.
   */
  env?: Readonly<Record<string, string | undefined>> | null | undefined
  /** The model that Codex selects; by default Codex's own choice. */
  model?: string | null | undefined
  /**
   * The sandbox of the agent's shell. `'auto'`, the default, means `'danger-full-access'` if
   * `codexNeedsDangerFullAccessSandbox()` returns true, and `'workspace-write'` otherwise. Under
   * `'read-only'` there is no shell, and images in the workspace do not count.
   */
  sandbox?: 'auto' | 'read-only' | 'workspace-write' | 'danger-full-access' | null | undefined
  /** Whether the agent's shell has network access under `'workspace-write'`; true by default. */
  networkAccess?: boolean | null | undefined
  /**
   * The event that completes the call. With `'image'`, the default, the call resolves as soon as
   * Codex has written the image, and stops Codex. With `'exit'`, it waits until Codex has exited
   * with 0, or has completed its turn and had to be stopped, and prefers the file that the agent
   * left in the workspace.
   */
  completion?: 'image' | 'exit' | null | undefined
  /** Extra configuration of Codex, each entry as `-c key=value`, after this package's own. */
  config?: Record<string, string> | null | undefined
  /** Features of Codex to switch off, each as `--disable NAME`. Codex rejects unknown names. */
  disableFeatures?: string[] | null | undefined
  /** Time limit of the whole call, in milliseconds, 1 to 2147483647; 600000 by default. */
  timeoutMs?: number | null | undefined
  /**
   * Time between SIGTERM and SIGKILL, in milliseconds, 0 to 600000; 2000 by default. Windows has no
   * such signals: Codex is stopped at once.
   */
  killGraceMs?: number | null | undefined
  /** Size limit of the image file, in bytes, 1 to 1073741824; 33554432 (32 MiB) by default. */
  maxImageBytes?: number | null | undefined
  /**
   * The check of a file that the agent left in the workspace. `'full'`, the default, decodes every
   * chunk and every pixel. `'signature'` requires the PNG signature and 128 bytes; the width and
   * height of a damaged file then come from its header, or are 0. A file in Codex's own store
   * always gets the full check.
   */
  validation?: 'full' | 'signature' | null | undefined
  /**
   * Images to start from, as absolute paths: at most 5 PNG, JPEG, WebP or GIF files of at most
   * 16 MiB each. They are copied into the private workspace, attached to the prompt and passed to
   * the image tool.
   */
  referenceImages?: string[] | null | undefined
  /**
   * Whether to ask for a transparent background; false by default. If the image has no transparent
   * pixels, the result has a warning.
   */
  transparent?: boolean | null | undefined
  /**
   * Whether to reject with `NO_IMAGE` instead of returning an unverified image; false by default.
   * See `GeneratedImage.verified`.
   */
  requireVerified?: boolean | null | undefined
  /**
   * Whether to switch off features of Codex that drawing does not need, such as apps, plugins, MCP
   * servers, hooks and web search; true by default. Login, provider, proxy and certificates stay in
   * force in either case.
   */
  lean?: boolean | null | undefined
  /**
   * Number of times in a row that Codex may reconnect before the call fails, 0 to 1000; 6 by
   * default. Behind a proxy that blocks WebSockets, Codex reconnects 4 times before it falls back
   * to plain requests.
   */
  maxReconnects?: number | null | undefined
  /**
   * Aborts the call: Codex is stopped and the workspace removed, then the promise rejects with
   * `signal.reason`.
   */
  signal?: AbortSignal | null | undefined
}

/** Options of a recovery. Every option but `threadId` may be absent, undefined or null. */
export interface RecoverOptions {
  /** The thread that drew the image: `threadId` of an error, a progress event or a result. */
  threadId: string
  /** As in `GenerateOptions`. */
  codexHome?: string | null | undefined
  /** As in `GenerateOptions`. */
  env?: Readonly<Record<string, string | undefined>> | null | undefined
  /** As in `GenerateOptions`. */
  maxImageBytes?: number | null | undefined
}

/**
 * Options of a readiness check. Every option may be absent, undefined or null. All but `quota` mean
 * the same as in `GenerateOptions`.
 */
export interface CheckOptions extends Pick<
  GenerateOptions,
  'codexPath' | 'codexHome' | 'env' | 'config'
> {
  /**
   * Whether to ask what is left of the account's limits; false by default, because it uses the
   * network. The check starts `codex app-server` for it, and stops it. As at every start, Codex
   * renews an expired login in `auth.json`, and creates its own databases in its home.
   */
  quota?: boolean | null | undefined
}

/** The code of a failed call. Stable: programs may switch on it. */
export type CodexImageErrorCode =
  | 'INVALID_OPTIONS'
  | 'CODEX_NOT_FOUND'
  | 'SPAWN_FAILED'
  | 'NOT_SIGNED_IN'
  | 'API_KEY_LOGIN'
  | 'IMAGE_GEN_UNAVAILABLE'
  | 'NO_IMAGE'
  | 'INVALID_IMAGE'
  | 'IMAGE_TOO_LARGE'
  | 'USAGE_LIMIT'
  | 'RATE_LIMITED'
  | 'SAFETY_REJECTED'
  | 'BACKEND_ERROR'
  | 'CODEX_FAILED'
  | 'TIMEOUT'
  | 'WORKSPACE_FAILED'
  | 'INTERNAL'

/**
 * The error that a call rejects with, unless it was aborted. With `INVALID_OPTIONS` it is a
 * `TypeError` as well.
 */
export interface CodexImageError extends Error {
  name: 'CodexImageError'
  code: CodexImageErrorCode
  /** One line for end users: no path, no output of Codex, no secret. */
  message: string
  /** An HTTP-like number. As an exit code, which is taken modulo 256, it is never 0 or 2. */
  status: number
  /** Whether the same call may succeed if you make it again. */
  retryable: boolean
  /**
   * With `INVALID_OPTIONS`, the option that the message names, such as `timeoutMs`, `env.PATH` or
   * `referenceImages[2]`. Printable, and at most 100 characters.
   */
  option?: string
  /** The exit code of Codex, if it exited by itself. */
  exitCode?: number
  /** The signal that ended Codex, unless this package sent it. */
  signal?: string
  /** The Codex thread, if one had started. */
  threadId?: string
  /** The time at which a usage limit resets, if the backend reported it. */
  resetsAt?: Date
  /** The end of Codex's output, with secrets removed. For logs, not for end users. */
  detail?: string
  /**
   * Returns the members above as a plain object. `JSON.stringify` calls it. Before `postMessage`
   * call it yourself: the structured clone of an error loses them.
   */
  toJSON(): CodexImageErrorData
}

/** A `CodexImageError` as data. */
export type CodexImageErrorData = Omit<CodexImageError, 'stack' | 'cause' | 'toJSON'>

/**
 * The error that an `import` or `require` of this package throws if its native addon cannot be
 * loaded. Its members are those of a `CodexImageError`, and `problem` and `fix`.
 */
export interface CodexImageLoadError extends Error {
  name: 'CodexImageError'
  code: 'CODEX_IMAGE_ADDON_UNAVAILABLE'
  /** `problem` and `fix`. */
  message: string
  /** An HTTP-like number, that of a missing Codex. */
  status: 424
  retryable: false
  /** What is wrong, in one sentence without a path. */
  problem: string
  /** What to do about it, for the person who installs or packages your product. */
  fix: string
  /** The words of Node or of the system, if one of them refused to load the addon. For logs. */
  detail?: string
  /** Returns the members above as a plain object, as that of a `CodexImageError` does. */
  toJSON(): CodexImageLoadErrorData
}

/** A `CodexImageLoadError` as data. */
export type CodexImageLoadErrorData = Omit<CodexImageLoadError, 'stack' | 'cause' | 'toJSON'>
