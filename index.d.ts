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

/** The aspect ratio that Codex was asked for, and that of the image. Images are never resized. */
export interface Aspect {
  /** Width to height, as in the option `aspect`, `'1:1'` by default. */
  requested: string
  /**
   * Width to height of the image, as its size reduced to the smallest whole numbers: `'3:2'` for
   * 1536 by 1024 pixels, `'1672:941'` for 1672 by 941.
   */
  received: string
  /**
   * Whether the two differ by at most 3 per cent, which is about what rounding the sides makes.
   * If not, and the option `aspect` was given, the result has a warning.
   */
  matches: boolean
}

/**
 * Checks whether this machine can draw, and how to fix what prevents it. Quick, offline and free,
 * for settings pages.
 *
 * With `quota: true` it also asks OpenAI, through Codex, what is left of the account's limits.
 * That uses the network, costs nothing, and takes about half a second, at most 15.
 *
 * If the disk of `CODEX_HOME`, or the user database that names the home, leaves a request
 * unanswered for two seconds, the login is `'unknown'`, and `LOGIN_UNKNOWN` is a blocking problem.
 */
export declare function checkCodex(options?: CheckOptions | null | undefined): Promise<Readiness>

/**
 * Returns whether Codex's own sandbox is known not to work: on Windows, under WSL, or if
 * `OD_CODEX_SANDBOX` is `danger-full-access`. `platform` and `env` default to this process's own.
 */
export declare function codexNeedsDangerFullAccessSandbox(platform?: string | null | undefined, env?: Record<string, string | undefined> | null | undefined): boolean

/** The C2PA manifest of a PNG file: who signed it, and whether that holds. */
export interface ContentCredentials {
  /**
   * Whether the signature and all hashes hold, so that every byte of the file but the manifest
   * is as it was signed.
   */
  intact: boolean
  /** Whether they do, and the signing certificate is OpenAI's. */
  trusted: boolean
  /** The holder of the signing certificate. Proven only if `trusted` is true. */
  signer?: string
  /** The program that made the manifest. Proven only if `trusted` is true. */
  generator?: string
  /** When OpenAI's time stamp authority confirmed the signature, if it did. */
  signedAt?: Date
  /** The first problem, as a sentence; absent if everything holds. */
  problem?: string
}

/**
 * Draws one image with the user's own signed-in Codex CLI and resolves with the bytes of the PNG
 * file.
 *
 * Rejects with a `CodexImageError`, or with `signal.reason` if the call was aborted. When the
 * promise settles, the call has left no process, no directory and no listener.
 */
export declare function generateCodexImage(options: GenerateOptions, onProgress?: OnProgress | null | undefined): Promise<Buffer>

/** Like `generateCodexImage`, but resolves with the bytes and facts about the image. */
export declare function generateCodexImageDetailed(options: GenerateOptions, onProgress?: OnProgress | null | undefined): Promise<GeneratedImage>

/** An image and facts about it. */
export interface GeneratedImage {
  /** Exactly the PNG file's bytes. */
  png: Buffer
  /** In pixels. 0 if the header is damaged, which only `validation: 'signature'` accepts. */
  width: number
  /** In pixels. 0 as for the width. */
  height: number
  /**
   * The aspect ratio that Codex was asked for, and that of the image; absent after a recovery,
   * which does not know what was asked for, and if the size is unknown.
   */
  aspect?: Aspect
  /**
   * Whether at least one pixel is not fully opaque. False if the pixels cannot be decoded, which
   * only `validation: 'signature'` accepts.
   */
  hasAlpha: boolean
  /** The Codex thread that drew the image. */
  threadId?: string
  /**
   * The location in which the image was found: Codex's own store, the workspace (left by the
   * agent), or the thread's record.
   */
  source: 'store' | 'workspace' | 'rollout'
  /**
   * Whether the image provably came from image_gen: it is in this thread's store, to which the
   * agent could not write, or this thread's record holds the same bytes, or OpenAI's service
   * signed it during the call. Only the last counts if the requested sandbox was not in force.
   */
  verified: boolean
  /** The version of the CLI: that of its npm package, or the output of `--version`. */
  codexVersion?: string
  /** The prompt that the image model received, if this package read it in the thread's record. */
  revisedPrompt?: string
  /** The content credentials of the image, as `readContentCredentials` finds them. */
  contentCredentials?: ContentCredentials
  /** The tokens of the turn; absent if it was stopped before Codex reported them. */
  usage?: Usage
  /** Duration of each step. */
  timings: Timings
  /** Problems that did not affect the image, as sentences. */
  warnings: Array<string>
}

/**
 * Returns whether a value is a `CodexImageError` or a `CodexImageLoadError`, such as one of a
 * worker. Goes by its `name` and `code`, so it is also true for errors of another realm, where
 * `instanceof Error` is false, and for what `toJSON` returned, after `postMessage` or
 * `JSON.parse`. Such data has no `toJSON`; after `JSON.parse`, its `resetsAt` is a string.
 */
export declare function isCodexImageError(value: unknown): value is CodexImageError | CodexImageLoadError

/** A progress event, the second argument of `onProgress`. */
export interface ProgressEvent {
  /** The step that the generation has reached. */
  phase: 'queued' | 'preflight' | 'starting' | 'started' | 'message' | 'command' | 'reconnecting' | 'image' | 'checking' | 'stopping'
  /** One printable line of at most 200 characters: the callback's first argument. */
  message: string
  /** Time since the call began, in milliseconds. */
  elapsedMs: number
  /** The Codex thread, once it has started. */
  threadId?: string
}

/**
 * What is left of an account's limits, as Codex's app-server reports it
 * (`account/rateLimits/read`).
 */
export interface Quota {
  /**
   * The limits, those of Codex's own turns first. Empty if nothing is known, or if there are
   * none.
   */
  limits: Array<QuotaLimit>
  /** The account's plan, in OpenAI's words, such as `plus`. */
  plan?: string
  /** The account's credits, which OpenAI uses beyond the limits. */
  credits?: QuotaCredits
  /**
   * The reason for which OpenAI refuses turns now, in its own words, such as
   * `rate_limit_reached`; absent if it names none.
   */
  reached?: string
  /** The reason why nothing is known; absent if Codex has answered. */
  unknown?: QuotaUnknown
}

/** Credits of an account. */
export interface QuotaCredits {
  /** Whether the account has credits. */
  available: boolean
  /** Whether they are unlimited. */
  unlimited: boolean
  /** The balance, in OpenAI's words. */
  balance?: string
}

/** One limit of an account: what may be used within one period. */
export interface QuotaLimit {
  /** OpenAI's id of what is limited. `codex` stands for Codex's own turns. */
  id: string
  /** OpenAI's name for it, for end users. */
  name?: string
  /** Which of its two periods this is. `primary` is the shorter one. */
  window: 'primary' | 'secondary'
  /** The used part, in per cent. 100 or more if nothing is left. */
  usedPercent: number
  /** The length of the period, in minutes, such as 300 or 10080. */
  windowMinutes?: number
  /** The time at which the period ends and the limit is whole again. */
  resetsAt?: Date
}

/** Reason why the quota is unknown. */
export interface QuotaUnknown {
  /**
   * The code. `UNSUPPORTED`: this version of Codex does not tell. `TIMEOUT`: no answer in time.
   * `BACKEND_ERROR`: Codex could not get it from OpenAI. `CODEX_FAILED`: Codex ended without an
   * answer. The others are those of a failed call.
   */
  code: 'UNSUPPORTED' | 'TIMEOUT' | 'BACKEND_ERROR' | 'CODEX_FAILED' | 'CODEX_NOT_FOUND' | 'SPAWN_FAILED' | 'NOT_SIGNED_IN' | 'API_KEY_LOGIN' | 'WORKSPACE_FAILED'
  /** The reason, in one line for end users. */
  message: string
  /** The fix, in one line for end users. */
  fix: string
}

/**
 * Reads and verifies the content credentials of a PNG file: the C2PA manifest that OpenAI's media
 * service signs into each image. Offline, and off the JavaScript thread. Resolves with null if the
 * file has none.
 *
 * Rejects with `INVALID_OPTIONS` if the bytes are no PNG.
 */
export declare function readContentCredentials(png: Uint8Array): Promise<ContentCredentials | null>

/** The result of a check whether this machine can draw. */
export interface Readiness {
  /** Whether nothing is known to keep this machine from drawing. */
  ready: boolean
  /** The CLI that a generation would run. */
  codexPath?: string
  /** Its version. */
  version?: string
  /** Codex's login. `'api-key'` stands for every programmatic login. */
  login: 'chatgpt' | 'api-key' | 'none' | 'unknown'
  /** Whether the image tool is likely to be available. */
  imageTool: 'likely' | 'unlikely'
  /** Problems that keep this machine from drawing, and hints. */
  problems: Array<ReadinessProblem>
  /**
   * What is left of the account's limits; present only with the option `quota`. A limit that is
   * used up is not a problem: whether Codex still draws, only a call can show.
   */
  quota?: Quota
}

/** A problem that keeps this machine from drawing, or a hint. */
export interface ReadinessProblem {
  /** The code with which a generation would fail, or that of a hint. */
  code: 'CODEX_NOT_FOUND' | 'NOT_SIGNED_IN' | 'API_KEY_LOGIN' | 'IMAGE_GEN_UNAVAILABLE' | 'WORKSPACE_FAILED' | 'LOGIN_UNKNOWN' | 'CUSTOM_PROVIDER'
  /** The problem, in one line for end users. */
  message: string
  /** The fix, in one line for end users. */
  fix: string
  /** Whether the problem keeps this machine from drawing; otherwise it is a hint. */
  blocking: boolean
}

/**
 * Finds the image of an earlier thread, in Codex's store or in the thread's record. After a
 * timeout, an abort or a crash it may exist, and count against the plan. Starts no process and
 * costs nothing.
 *
 * Rejects with `NO_IMAGE` if there is none. Reading a large record has no time limit, but if the
 * disk of `CODEX_HOME`, or the user database that names the home, leaves a request unanswered for
 * two seconds, the promise rejects with `TIMEOUT`.
 */
export declare function recoverCodexImage(options: RecoverOptions): Promise<GeneratedImage>

/**
 * Sets how many generations of this process may run Codex at the same time, 1 to 1000; 2 by
 * default. Further calls wait in order. Generations that are already running continue.
 *
 * Throws a `TypeError` for any other value.
 */
export declare function setMaxConcurrentRuns(maxConcurrentRuns: number): void

/** Duration of each step of a call, in milliseconds. */
export interface Timings {
  /** Waiting in the queue. */
  queueMs: number
  /** Finding the CLI, checking its login, creating the run directory. */
  preflightMs: number
  /** Copying the reference images, reading the state of the store, starting the process. */
  startMs: number
  /**
   * From then until the image was complete on disk and its pixels were checked; absent if it was
   * found only after Codex had ended.
   */
  imageMs?: number
  /**
   * Stopping the process tree and removing the run directory, without the search between the two
   * for an image that was found only after Codex had ended.
   */
  stopMs: number
  /** The whole call. */
  totalMs: number
}

/** The tokens of one turn. */
export interface Usage {
  /** Tokens sent. */
  inputTokens: number
  /** Tokens sent that the backend had cached. */
  cachedInputTokens: number
  /** Tokens received. */
  outputTokens: number
  /** Tokens received that were spent on reasoning; absent with older versions of Codex. */
  reasoningOutputTokens?: number
  /** Tokens sent and received. */
  totalTokens: number
}
