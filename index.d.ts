/* index.d.ts is generated: edit src/node/types.d.ts and the doc comments of src/node/ instead. */
/// <reference types="node" />

/** Called with every sign of progress, in order, and never after the promise has settled. What it throws or returns changes nothing. */
export type OnProgress = (message: string, event: ProgressEvent) => void

/** What to draw, and how to run Codex for it. Every member but the prompt may be left out, undefined or null. */
export interface GenerateOptions {
  /** What to draw. Not blank, no NUL. It reaches Codex on stdin, unchanged, fenced as a description. */
  prompt: string
  /** Width to height, as two whole numbers; `'1:1'` by default. Codex aims at it; the picture tells what it became. */
  aspect?: string | null | undefined
  /** Absolute path of the Codex CLI. By default `CODEX_BIN`, then PATH, then the places of the usual installers. */
  codexPath?: string | null | undefined
  /** Absolute path of Codex's home (login, configuration, image store). By default `CODEX_HOME` of `env`, then `~/.codex`. */
  codexHome?: string | null | undefined
  /**
   * The environment of the Codex process; by default `process.env` as it is at the call. `CODEX_API_KEY`, `CODEX_ACCESS_TOKEN` and
   * `OPENAI_API_KEY` are left out in either case: they would bill a key, or take the image tool away. The agent's own shell
   * sees only the few variables of Codex's `core` set.
   */
  env?: Readonly<Record<string, string | undefined>> | null | undefined
  /** The model to ask for; by default Codex's own choice. */
  model?: string | null | undefined
  /**
   * What the agent's shell may do. `'auto'`, the default, is `'workspace-write'`, and `'danger-full-access'` only where
   * `codexNeedsDangerFullAccessSandbox()` says so. Under `'read-only'` there is no shell at all, and only Codex's own store counts.
   */
  sandbox?: 'auto' | 'read-only' | 'workspace-write' | 'danger-full-access' | null | undefined
  /** Whether the agent's shell has the network under `'workspace-write'`; true by default. */
  networkAccess?: boolean | null | undefined
  /**
   * `'image'`, the default, resolves as soon as Codex has written the picture, and stops Codex.
   * `'exit'` waits until Codex has exited with 0, or completed its turn and had to be stopped, and
   * prefers the file that the agent left at the path it was handed.
   */
  completion?: 'image' | 'exit' | null | undefined
  /** Extra configuration of Codex, each entry as `-c key=value`, after this package's own. */
  config?: Record<string, string> | null | undefined
  /** Features of Codex to switch off, each as `--disable NAME`. Codex refuses names that it does not know. */
  disableFeatures?: string[] | null | undefined
  /** Bound on the whole call, in milliseconds, 1 to 2147483647; 600000 by default. */
  timeoutMs?: number | null | undefined
  /** Between SIGTERM and SIGKILL, in milliseconds, 0 to 600000; 2000 by default. Windows has neither: Codex is ended at once. */
  killGraceMs?: number | null | undefined
  /** The largest file that is accepted, in bytes, 1 to 1073741824; 33554432 (32 MiB) by default. */
  maxImageBytes?: number | null | undefined
  /**
   * How much the file at the handed path has to prove. `'full'`, the default: every chunk and every
   * pixel. `'signature'`: the PNG signature and 128 bytes. What can be decoded is told all the same;
   * for a file that is damaged, width and height come from its header, or are 0. A file of Codex's
   * own store always has to prove everything.
   */
  validation?: 'full' | 'signature' | null | undefined
  /**
   * Pictures to start from, as absolute paths: at most 5 PNG, JPEG, WebP or GIF files of at most 16 MiB each. They are copied into
   * the private workspace, attached to the prompt and handed to the image tool.
   */
  referenceImages?: string[] | null | undefined
  /** Whether the background is to be transparent; false by default. A picture without transparent pixels is a warning. */
  transparent?: boolean | null | undefined
  /** Whether a picture that may have come from anywhere is refused, with `NO_IMAGE`; false by default. See `GeneratedImage.verified`. */
  requireVerified?: boolean | null | undefined
  /**
   * Whether what a picture does not need is switched off in Codex for the call: apps, plugins, MCP servers, hooks, web search and
   * the like; true by default. Login, provider, proxy and certificate settings stay in force in either case.
   */
  lean?: boolean | null | undefined
  /**
   * How often in a row Codex may connect anew before the call fails with `BACKEND_ERROR`, 0 to 1000; 6 by default. Behind a proxy that
   * blocks WebSockets it takes 4 before Codex goes over to plain requests.
   */
  maxReconnects?: number | null | undefined
  /** Aborts the call: everything is stopped and removed, then the promise rejects with `signal.reason`. */
  signal?: AbortSignal | null | undefined
}

/** Which picture to find. Every member but the thread may be left out, undefined or null. */
export interface RecoverOptions {
  /** The thread that drew it: `threadId` of an error, of a progress event or of a result. */
  threadId: string
  /** As in `GenerateOptions`. */
  codexHome?: string | null | undefined
  /** As in `GenerateOptions`. */
  env?: Readonly<Record<string, string | undefined>> | null | undefined
  /** As in `GenerateOptions`. */
  maxImageBytes?: number | null | undefined
}

/** Which Codex to look at. Every member may be left out, undefined or null, and means what it means in `GenerateOptions`. */
export type CheckOptions = Pick<GenerateOptions, 'codexPath' | 'codexHome' | 'env' | 'config'>

/** Why a generation failed. Stable: programs may switch on it. */
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

/** What a generation rejects with, unless it was aborted. `INVALID_OPTIONS` is a `TypeError` as well. */
export interface CodexImageError extends Error {
  name: 'CodexImageError'
  code: CodexImageErrorCode
  /** One line for end users: no path, no output of Codex, no secret. */
  message: string
  /** An HTTP-like number; never 0 or 2, also not as an exit code. */
  status: number
  /** Whether the same call may well succeed if it is made again. */
  retryable: boolean
  /** What Codex exited with, if it ended by itself. */
  exitCode?: number
  /** The signal that ended Codex, if one did. */
  signal?: string
  /** The Codex thread, if one had started. */
  threadId?: string
  /** When a usage limit resets, if the backend said so. */
  resetsAt?: Date
  /** The end of what Codex said, with secrets removed. For logs, not for end users. */
  detail?: string
}

/**
 * Which binding artifact the generated loader actually loaded: `'native'` for
 * a native addon, otherwise the `platformArchABI` of the WASI flavor. Every
 * flavor napi-rs can build is listed, because `NAPI_RS_NATIVE_LIBRARY_PATH`
 * can point the loader at a WASI artifact this package does not build itself.
 */
export declare const __napiBindingTarget: 'native' | 'wasm32-wasi' | 'wasm32-wasip1'

/**
 * Whether this machine can draw, and what to do if not. Offline, quick, and at no cost: for a
 * settings page.
 *
 * Where the disk of `CODEX_HOME`, or a user database that has to be asked for the home, has left a
 * single request unanswered for two seconds, the login is `'unknown'` and `LOGIN_UNKNOWN` a
 * blocking problem.
 */
export declare function checkCodex(options?: CheckOptions | null | undefined): Promise<Readiness>

/**
 * Whether Codex's own sandbox is known not to work here: on Windows, under WSL, or where
 * `OD_CODEX_SANDBOX` says `danger-full-access`. `platform` and `env` are this process's own by
 * default.
 */
export declare function codexNeedsDangerFullAccessSandbox(platform?: string | null | undefined, env?: Record<string, string | undefined> | null | undefined): boolean

/**
 * Draws one picture with the user's own signed-in Codex CLI and resolves with the bytes of the PNG
 * file.
 *
 * Rejects with a `CodexImageError`, or with `signal.reason` if the call was aborted. When the
 * promise settles, no process, no directory and no listener of the call is left.
 */
export declare function generateCodexImage(options: GenerateOptions, onProgress?: OnProgress | null | undefined): Promise<Buffer>

/** Like `generateCodexImage`, but resolves with what is known about the picture beside its bytes. */
export declare function generateCodexImageDetailed(options: GenerateOptions, onProgress?: OnProgress | null | undefined): Promise<GeneratedImage>

/** A proven picture and how it came about. */
export interface GeneratedImage {
  /** Exactly the PNG file's bytes. */
  png: Buffer
  /** In pixels; 0 only under `validation: 'signature'`, for a file whose header is damaged. */
  width: number
  /** In pixels; 0 as above. */
  height: number
  /**
   * Whether at least one pixel is not fully opaque; false also where none can be decoded, which
   * only `validation: 'signature'` accepts.
   */
  hasAlpha: boolean
  /** The Codex thread that drew it. */
  threadId?: string
  /**
   * Where the bytes were found: in Codex's own store, at the path handed to the agent, or in the
   * thread's record.
   */
  source: 'store' | 'workspace' | 'rollout'
  /**
   * Whether the picture provably came from image_gen: Codex wrote it into this thread's store
   * while the agent could not, or this thread's record holds the same bytes. Always false where
   * the sandbox that was asked for was not in force.
   */
  verified: boolean
  /** The CLI's version: its npm package's, or what it says itself. */
  codexVersion?: string
  /** The prompt as the image model was finally given it, where Codex recorded it. */
  revisedPrompt?: string
  /** What the turn cost; absent if it was stopped before it could tell. */
  usage?: Usage
  /** Where the time went. */
  timings: Timings
  /** What went wrong without spoiling the picture, in sentences. */
  warnings: Array<string>
}

/** What `onProgress` gets beside the message. */
export interface ProgressEvent {
  /** Where in its story the generation is. */
  phase: 'queued' | 'preflight' | 'starting' | 'started' | 'message' | 'command' | 'reconnecting' | 'image' | 'checking' | 'stopping'
  /** One printable line of at most 200 characters, the same as the callback's first argument. */
  message: string
  /** Milliseconds since the call. */
  elapsedMs: number
  /** The Codex thread, once it has started. */
  threadId?: string
}

/** Whether this machine can draw, and what to do if not. */
export interface Readiness {
  /** Whether nothing is known to keep this machine from drawing. */
  ready: boolean
  /** The file that would be run. */
  codexPath?: string
  /** The version of the CLI. */
  version?: string
  /** How Codex is signed in; `'api-key'` stands for every programmatic login. */
  login: 'chatgpt' | 'api-key' | 'none' | 'unknown'
  /** Whether the image tool is likely to be there. */
  imageTool: 'likely' | 'unlikely'
  /** What is wrong, or may be. */
  problems: Array<ReadinessProblem>
}

/** One thing that is wrong, or may be. */
export interface ReadinessProblem {
  /** The code with which a generation would fail, or that of a hint. */
  code: 'CODEX_NOT_FOUND' | 'NOT_SIGNED_IN' | 'API_KEY_LOGIN' | 'IMAGE_GEN_UNAVAILABLE' | 'LOGIN_UNKNOWN' | 'CUSTOM_PROVIDER'
  /** What is wrong, in a sentence. */
  message: string
  /** What to do, in a sentence. */
  fix: string
  /** Whether it keeps this machine from drawing; otherwise it is a hint. */
  blocking: boolean
}

/**
 * Finds the picture of a thread that was drawn earlier: in Codex's store, or in the thread's own
 * record. For a daemon that died meanwhile, and for callers that gave up: a picture that was paid
 * for is not lost. Starts nothing and spends nothing.
 *
 * Rejects with `NO_IMAGE` if there is none. May take as long as reading a large record takes, but
 * rejects with `TIMEOUT` once the disk of `CODEX_HOME`, or a user database that has to be asked
 * for the home, has left a single request unanswered for two seconds.
 */
export declare function recoverCodexImage(options: RecoverOptions): Promise<GeneratedImage>

/**
 * How many generations of this process may run Codex at the same time, 1 to 1000; 2 by default.
 * The others wait in the order in which they came. Those that run already go on.
 *
 * Throws a `TypeError` if it is no such number.
 */
export declare function setMaxConcurrentRuns(maxConcurrentRuns: number): void

/** Where the time of a call went, in milliseconds. */
export interface Timings {
  /** Waiting for a free place. */
  queueMs: number
  /** Finding the CLI, checking its login, making the workspace. */
  preflightMs: number
  /** Starting the process. */
  startMs: number
  /**
   * From then until the picture was complete on disk and proven; absent if it was found only
   * after Codex had ended.
   */
  imageMs?: number
  /** Stopping the process tree and removing the workspace. */
  stopMs: number
  /** The whole call. */
  totalMs: number
}

/** Tokens of one turn. */
export interface Usage {
  /** Tokens sent. */
  inputTokens: number
  /** Tokens of these that the backend had cached. */
  cachedInputTokens: number
  /** Tokens received. */
  outputTokens: number
  /** Tokens of these spent on reasoning; absent with older versions of Codex. */
  reasoningOutputTokens?: number
  /** Tokens sent and received. */
  totalTokens: number
}
