// What a spec tells the stub to do, and what the stub saw.

/** A step of one `codex exec`. It exits with 0 after the last one. */
export type Step =
  /**
   * Prints `thread.started`, and begins the thread's rollout, which states the sandbox of the
   * command line, changed by `states`. null writes no rollout. The thread's id is a new UUID by
   * default.
   */
  | { do: 'thread'; id?: string; states?: Record<string, unknown> | null }
  /** Prints one line of JSONL. */
  | { do: 'emit'; event: unknown }
  /** Prints `count` agent messages: `message 1`, `message 2`, … */
  | { do: 'messages'; count: number }
  /** Writes raw bytes to an output stream, in one write or several. */
  | { do: 'write'; to: 'stdout' | 'stderr'; base64: string; times?: number; pieces?: number }
  /** Writes `bytes` of the same line, as fast as the pipe takes them. */
  | { do: 'flood'; to: 'stdout' | 'stderr'; line: string; bytes: number }
  /**
   * Writes an image where Codex saves it (`store`) or where the prompt wants the copy
   * (`workspace`). Several `pieces` arrive `everyMs`, as from a slow writer. With `modified`, a
   * date, it appears at once, and has that time.
   */
  | ({
      do: 'save';
      base64: string;
      pieces?: number;
      everyMs?: number;
      modified?: string;
    } & Destination)
  /** Writes an image into the thread's rollout, in this kind of line. */
  | {
      do: 'addToRollout';
      form: RolloutForm;
      base64: string;
      revisedPrompt?: string;
      /** The thread of the rollout, if not this call's. */
      thread?: string;
    }
  /** Makes an entry in the image's place that is no regular file of its own. */
  | ({
      do: 'plant';
      what:
        | 'symlink'
        | 'hardlink'
        | 'fifo'
        | 'directory'
        | 'socket'
        /** `/dev/zero` by another name. Takes root. */
        | 'device'
        /** 3 GB that occupy no block. */
        | 'sparse file'
        /** The directory of the image is a link to the directory `to`. */
        | 'linked parent';
      to?: string;
    } & Destination)
  /** Leaves entries that are hard to remove. */
  | { do: 'leave'; what: Leftover }
  /** Resolves `codex.reached(mark)` in the spec. */
  | { do: 'reach'; mark: string }
  /** Waits until the spec calls `codex.open(gate)`. */
  | { do: 'await'; gate: string }
  /** Closes stdout, and goes on. */
  | { do: 'closeOutput' }
  /** Runs until it is stopped. */
  | { do: 'hang' }
  /** Pauses, and goes on. */
  | { do: 'sleep'; ms: number }
  /** Sends itself SIGSTOP, which suspends it until it is continued. */
  | { do: 'suspend' }
  /** Ignores these signals from now on. */
  | { do: 'ignore'; signals: NodeJS.Signals[] }
  /** On one of these signals, reaches the mark `stopped by SIGNAL` and exits with 1. */
  | { do: 'exitOn'; signals: NodeJS.Signals[] }
  /** Starts a tool of the agent, which outlives its parent unless it is stopped. */
  | {
      do: 'tool';
      /** Leads its own session, as Codex's tools do, where no signal to the group reaches it. */
      ownSession?: boolean;
      /** The signals that it ignores. */
      ignores?: NodeJS.Signals[];
      /** Keeps the write ends of these. */
      holds?: ('stdout' | 'stderr')[];
      /** The number of generations: each starts the next in the same way. By default 1. */
      generations?: number;
    }
  /**
   * On one of these signals, starts a tool in its own session that ignores termination signals,
   * reaches the mark `forked on SIGNAL` and exits with 1.
   */
  | { do: 'forkOn'; signals: NodeJS.Signals[] }
  /**
   * Forks twice: starts a process without parents, known only by this trace. With `nothing` the
   * stub writes its process id to a file.
   */
  | { do: 'doubleFork'; knownBy: 'environment' | 'directory' | 'nothing' }
  /** Kills the launcher that started it. */
  | { do: 'killLauncher' }
  /** Exits without the remaining steps. */
  | { do: 'exit'; code: number }
  /** Sends itself this signal, and does not go on. */
  | { do: 'die'; of: NodeJS.Signals };

export type Leftover =
  | 'locked directories'
  | 'many files'
  | 'odd names'
  /** 30,000 levels, too deep for any path. */
  | 'deep directories'
  /**
   * Fewer of all of these, without any permission, with links to the stub's directory and its
   * script at every 1000th level.
   */
  | 'everything'
  /** The stub's directory, mounted three levels down. Takes its own mount namespace. */
  | 'a mount point'
  /** Makes the directory for temporary files read-only, so that nothing in it can be removed. */
  | 'locked parent';

/**
 * The lines of a rollout in which Codex writes an image: `end` (up to 0.150.1), `call` (the
 * backend's hosted tool), `item` (0.169.0). `output` is what another tool of the agent returned.
 */
export type RolloutForm = 'end' | 'call' | 'item' | 'output';

interface Destination {
  where: 'store' | 'workspace';
  /** The file's name in the store. Codex has changed its pattern several times. */
  name?: string;
  /** The thread of the store, if not this call's. */
  thread?: string;
}

export interface StubScript {
  /**
   * What `codex login status` prints and how it exits. `silent` reaches the mark `asked` and never
   * answers.
   */
  login?: { text: string; exitCode: number } | 'silent';
  /** `silent` reaches the mark `asked for its version` and never answers `--version`. */
  version?: 'silent';
  /**
   * The answer of `codex app-server` to `account/rateLimits/read`, or the steps that it performs
   * instead. By default the stub does not know the subcommand.
   */
  appServer?: { result: unknown } | { error: { code: number; message: string } } | Step[];
  /** What happens to stdin. By default the stub reads all of it first, as the real CLI does. */
  stdin?: 'read' | 'read slowly' | 'ignore' | 'close';
  /** Runs behind another process, as behind npm's launcher, which passes no signal on. */
  behindLauncher?: boolean;
  exec: Step[];
  /** The steps of turns whose prompt contains the key, instead of `exec`. */
  execFor?: Record<string, Step[]>;
}

/** What the stub saw, one for each process. */
export interface Recording {
  command: 'exec' | 'login' | 'other';
  /** The path by which it was started. */
  program: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  cwdMode: number;
  cwdEntries: string[];
  stdin?: string;
  threadId?: string;
  startedAt: number;
  /** When the stub ended by itself. Absent if it was stopped. */
  endedAt?: number;
}
