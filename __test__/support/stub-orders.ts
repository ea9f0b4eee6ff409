// The language in which a spec tells the stub codex what to do.

/** What the stub does during one `codex exec`, in this order; it exits 0 after the last step. */
export type Step =
  /**
   * `thread.started`, and the head of the thread's record, which states the sandbox in force: the one that the command line asks
   * for but for what `states` says otherwise; null leaves no record. The thread's id is a fresh UUID unless one is given.
   */
  | { do: 'thread'; id?: string; states?: Record<string, unknown> | null }
  /** One line of JSONL. */
  | { do: 'emit'; event: unknown }
  /** `count` agent messages: `message 1`, `message 2`, … */
  | { do: 'messages'; count: number }
  /** Raw bytes on an output stream, in one write or in several. */
  | { do: 'write'; to: 'stdout' | 'stderr'; base64: string; times?: number; pieces?: number }
  /** `bytes` of the same line again and again, as fast as a pipe takes them. */
  | { do: 'flood'; to: 'stdout' | 'stderr'; line: string; bytes: number }
  /**
   * A picture, where Codex itself puts it (`store`) or where the agent was told to put it
   * (`workspace`). Several `pieces` arrive `everyMs`, as from a slow writer. With `modified`, a date, it
   * is there at once, and has that time.
   */
  | ({
      do: 'save';
      base64: string;
      pieces?: number;
      everyMs?: number;
      modified?: string;
    } & Destination)
  /** A picture in the thread's own record, the rollout; `RecordForm` says in which kind of line. */
  | {
      do: 'record';
      form: RecordForm;
      base64: string;
      revisedPrompt?: string;
      /** The thread in whose record it lands, when that is not this run's. */
      thread?: string;
    }
  /** Something at the picture's place that is not a regular file of its own. */
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
        /** The directory it would lie in is a link to the directory `to`. */
        | 'linked parent';
      to?: string;
    } & Destination)
  /** What is hard to remove. */
  | { do: 'leave'; what: Leftover }
  /** Tells the spec that the stub has come this far. */
  | { do: 'reach'; mark: string }
  /** Waits until the spec lets it go on. */
  | { do: 'await'; gate: string }
  /** Closes its stdout, and goes on. */
  | { do: 'closeOutput' }
  /** Lives on until it is stopped. */
  | { do: 'hang' }
  | { do: 'sleep'; ms: number }
  /** Is stopped, as by SIGSTOP, until it is told to continue. */
  | { do: 'freeze' }
  | { do: 'defy'; signals: NodeJS.Signals[] }
  /** Tidies up when asked to stop: reaches the mark `stopped by SIGNAL`, then exits 1. */
  | { do: 'tidyUpOn'; signals: NodeJS.Signals[] }
  /** A tool of the agent's that outlives its parent unless something stops it. */
  | {
      do: 'grandchild';
      /** Leads a session of its own, as Codex's tools do: out of reach of a signal to the group. */
      ownSession?: boolean;
      defies?: NodeJS.Signals[];
      /** Keeps the write ends of these. */
      holds?: ('stdout' | 'stderr')[];
      /** How many generations: each starts the next in the same way. 1 unless it says otherwise. */
      generations?: number;
    }
  /** When asked to stop, starts a grandchild that defies everything, reaches `forked on SIGNAL`, and exits 1. */
  | { do: 'forkOn'; signals: NodeJS.Signals[] }
  /**
   * Forks twice to lose its parents, and sheds all by which it may be known but this; known by `nothing`, it is found by
   * the process id that the stub leaves on its desk.
   */
  | { do: 'daemon'; knownBy: 'environment' | 'directory' | 'nothing' }
  /** Kills the launcher it runs behind. */
  | { do: 'killShim' }
  | { do: 'exit'; code: number }
  | { do: 'die'; of: NodeJS.Signals };

export type Leftover =
  | 'locked directories'
  | 'many files'
  | 'odd names'
  /** 30,000 levels, which no path is long enough for. */
  | 'deep directories'
  /**
   * Fewer of all of these, none with any permission, at every 1000th level links to the desk and to its
   * orders.
   */
  | 'everything'
  /** The desk, mounted three levels down. Takes a mount namespace of its own. */
  | 'a mount point'
  /** The directory for temporary files, in which nobody can remove anything. */
  | 'locked parent';

/**
 * The lines in which Codex records a picture: `end` (up to 0.150.1), `call` (the backend's hosted
 * tool), `item` (0.169.0). `output` is what some tool of the agent's returned, whatever it was.
 */
export type RecordForm = 'end' | 'call' | 'item' | 'output';

interface Destination {
  where: 'store' | 'workspace';
  /** The file's name in the store; Codex changed its pattern several times. */
  name?: string;
  /** The thread in whose store it lands, when that is not this run's. */
  thread?: string;
}

export interface Orders {
  /** What `codex login status` prints and how it exits; `silent` reaches the mark `asked` and never answers. */
  login?: { text: string; exitCode: number } | 'silent';
  /** What becomes of `--version`: `silent` reaches the mark `asked for its version` and never answers. */
  version?: 'silent';
  /** What becomes of stdin. Like the real CLI, the stub reads all of it first unless told otherwise. */
  stdin?: 'read' | 'read slowly' | 'ignore' | 'close';
  /** Runs behind another process, as behind npm's shim, which passes no signal on. */
  behindShim?: boolean;
  exec: Step[];
}

/** What the stub saw, one per process. */
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
  /** Where the stub came to its own end, and was not stopped. */
  endedAt?: number;
}
