// The journal of several pictures: what was paid for, so that another run draws only what is
// missing. JSON lines that are appended and flushed one by one, as docs/command-line.md has them.

import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';

import { CommandError, unwritable } from './failure.mjs';
import { remove } from './output.mjs';

type Line =
  /** A run has begun. Until its `end` no other may draw. */
  { type: 'run'; run: string; pid: number } | { type: 'end'; run: string } | EntryLine;

type EntryLine =
  /** Codex has started a thread for the picture, which may cost something from now on. */
  | { type: 'thread'; key: string; threadId: string }
  /** The picture is about to be written. */
  | { type: 'image'; key: string; file: string; sha256: string }
  /** The picture is written. */
  | { type: 'done'; key: string; file: string };

/** What is known about a picture. */
export interface Entry {
  /** In their order. */
  threads: string[];
  image: { file: string; sha256: string } | undefined;
  done: string | undefined;
}

export class Journal {
  /** The numbers of lines that cannot be read. */
  readonly unreadable: number[];
  /** The first failure to write a line. No picture may be started after it. */
  failure: unknown;
  readonly #file: string;
  readonly #descriptor: number;
  readonly #run = randomUUID();
  readonly #entries: Map<string, Entry>;

  /** Creates the file if there is none. Fails if another run uses it. */
  constructor(file: string) {
    this.#file = file;
    this.#descriptor = this.#writing(() => openSync(file, 'a+'));
    try {
      this.#prepareToAppend();
      this.#append({ type: 'run', run: this.#run, pid: process.pid });
      const { lines, unreadable } = parse(this.#read());
      this.#refuseSecondRun(lines);
      this.#entries = entriesOf(lines);
      this.unreadable = unreadable;
    } catch (error) {
      closeSync(this.#descriptor);
      throw error;
    }
  }

  /** Whether it has nothing about any picture. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  entry(key: string): Entry {
    return this.#entries.get(key) ?? { threads: [], image: undefined, done: undefined };
  }

  /** Absolute path of a file that is named in the journal. */
  resolve(file: string): string {
    return path.resolve(path.dirname(this.#file), file);
  }

  thread(key: string, threadId: string): void {
    this.#record({ type: 'thread', key, threadId });
  }

  image(key: string, file: string, sha256: string): void {
    this.#record({ type: 'image', key, file: this.#relative(file), sha256 });
  }

  done(key: string, file: string): void {
    this.#record({ type: 'done', key, file: this.#relative(file) });
  }

  /** Ends the run. */
  close(): void {
    try {
      this.#append({ type: 'end', run: this.#run });
    } catch (error) {
      this.failure ??= error;
    } finally {
      closeSync(this.#descriptor);
    }
  }

  /** Ends the run and removes the file. Resolves with false if the file cannot be removed. */
  async remove(): Promise<boolean> {
    // Without an `end` before, so that no other run begins in the file that is removed.
    const isRemoved = await remove(this.#file);
    if (isRemoved) closeSync(this.#descriptor);
    else this.close();
    return isRemoved;
  }

  #prepareToAppend(): void {
    const text = this.#read();
    if (text !== '' && !text.startsWith('{"type":"')) {
      const message = `${this.#file} exists, and is no journal of codex-image`;
      throw new CommandError('OUTPUT_EXISTS', message);
    }
    // The last line may be torn: by a crash of the system, for example.
    if (!/(^|\n)$/.test(text)) this.#write('\n');
  }

  /**
   * Of several runs that begin at once, the one that appended its line first goes on: appending is
   * atomic.
   */
  #refuseSecondRun(lines: readonly Line[]): void {
    const ended = new Set(lines.flatMap((line) => (line.type === 'end' ? [line.run] : [])));
    for (const line of lines) {
      if (line.type !== 'run') continue;
      if (line.run === this.#run) break;
      if (ended.has(line.run) || !isAlive(line.pid)) continue;
      this.#append({ type: 'end', run: this.#run });
      const message = `Process ${line.pid} is drawing these pictures. If it is another program, remove the line with ${line.run} from ${this.#file}`;
      throw new CommandError('ALREADY_RUNNING', message);
    }
    if (statSync(this.#file, { throwIfNoEntry: false })?.ino !== fstatSync(this.#descriptor).ino) {
      throw new CommandError('ALREADY_RUNNING', 'Another run has just drawn these pictures');
    }
  }

  #relative(file: string): string {
    return path.relative(path.dirname(this.#file), file);
  }

  #record(line: EntryLine): void {
    addTo(this.#entries, line);
    try {
      this.#append(line);
    } catch (error) {
      this.failure ??= error;
    }
  }

  #append(line: Line): void {
    this.#write(`${JSON.stringify(line)}\n`);
  }

  #write(text: string): void {
    this.#writing(() => {
      writeSync(this.#descriptor, text);
      fsyncSync(this.#descriptor);
    });
  }

  #writing<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      throw unwritable(this.#file, error);
    }
  }

  #read(): string {
    const bytes = Buffer.alloc(fstatSync(this.#descriptor).size);
    for (let at = 0; at < bytes.length;) {
      const count = readSync(this.#descriptor, bytes, at, bytes.length - at, at);
      if (count === 0) return bytes.toString('utf8', 0, at);
      at += count;
    }
    return bytes.toString();
  }
}

/** Returns the keys of the pictures in a journal that may not exist. */
export function keysIn(file: string): Set<string> {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return new Set(entriesOf(parse(text).lines).keys());
}

function parse(text: string): { lines: Line[]; unreadable: number[] } {
  const lines: Line[] = [];
  const unreadable: number[] = [];
  for (const [index, written] of text.split('\n').entries()) {
    if (written === '') continue;
    try {
      lines.push(asLine(JSON.parse(written)));
    } catch {
      unreadable.push(index + 1);
    }
  }
  return { lines, unreadable };
}

function asLine(value: unknown): Line {
  const line = value as Partial<Record<string, unknown>> | null;
  const members = MEMBERS.get(line?.['type']) ?? ['type'];
  if (members.every((member) => typeof line?.[member] === 'string')) return value as Line;
  throw new TypeError('it is no line of a journal');
}

/** The members of a line that are strings. Lines of a later version may have other types. */
const MEMBERS = new Map<unknown, readonly string[]>([
  ['run', ['run']],
  ['end', ['run']],
  ['thread', ['key', 'threadId']],
  ['image', ['key', 'file', 'sha256']],
  ['done', ['key', 'file']],
]);

function entriesOf(lines: readonly Line[]): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const line of lines) {
    // Lines of a later version may have other types.
    if (line.type !== 'thread' && line.type !== 'image' && line.type !== 'done') continue;
    addTo(entries, line);
  }
  return entries;
}

function addTo(entries: Map<string, Entry>, line: EntryLine): void {
  const entry = entries.get(line.key) ?? { threads: [], image: undefined, done: undefined };
  entries.set(line.key, entry);
  if (line.type === 'thread') entry.threads.push(line.threadId);
  else if (line.type === 'image') entry.image = { file: line.file, sha256: line.sha256 };
  else entry.done = line.file;
}

/** A process in a container often gets the number of the one that was killed there before. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
