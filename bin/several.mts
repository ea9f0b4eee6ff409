// Draws several pictures, each once: those that the journal of earlier runs has are not drawn
// again.

import { createHash } from 'node:crypto';
import { lstatSync, readFileSync } from 'node:fs';

import type { GeneratedImage } from 'codex-image';

import { loadAddon } from './addon.mjs';
import { report, write } from './deliver.mjs';
import { CommandError, EXIT, explain, type Failure, type Problem } from './failure.mjs';
import { Journal } from './journal.mjs';
import { type Destination, namesLike, prepare } from './output.mjs';
import type { Counts, Reporter } from './reporter.mjs';
import { keysOf, type Picture, type Series } from './series.mjs';
import { stopOnSignal } from './stop.mjs';

/**
 * The limit of the queue. Further calls would wait in the queue, which counts against their time
 * limit, and would start before a usage limit that another call has reached is handled.
 */
const AT_ONCE = 2;

/** A picture that is not there yet. */
interface Missing extends Picture {
  key: string;
  /** Threads of earlier runs. */
  threads: string[];
  destination: Destination;
}

/** Resolves with the exit code. `continueWith` is the command for what is missing at the end. */
export async function drawSeveral(
  series: Series,
  reporter: Reporter,
  continueWith: string,
): Promise<number> {
  const signal = stopOnSignal();
  const addon = await loadAddon();
  addon.setMaxConcurrentRuns(AT_ONCE);
  const journal = new Journal(series.journal);
  const run = new Run(addon, journal, reporter, signal);
  try {
    for (const line of journal.unreadable) {
      reporter.warn(`Line ${line} of ${series.journal} cannot be read, and is ignored.`);
    }
    await run.drawAll(series);
  } finally {
    const isNeeded = !journal.isEmpty && (!run.isComplete || series.keepsJournal);
    if (isNeeded) journal.close();
    else if (!(await journal.remove())) reporter.warn(`${series.journal} could not be removed.`);
  }
  return run.summarize(continueWith);
}

class Run {
  readonly #counts: Counts = {
    pictures: 0,
    present: 0,
    drawn: 0,
    recovered: 0,
    failed: 0,
    running: 0,
  };
  /** The failure after which no picture is started. */
  #final: Failure | undefined;
  /** That of the picture with the lowest number. */
  #first: { number: number; failure: Failure } | undefined;

  constructor(
    private readonly addon: Awaited<ReturnType<typeof loadAddon>>,
    private readonly journal: Journal,
    private readonly reporter: Reporter,
    private readonly signal: AbortSignal,
  ) {}

  get isComplete(): boolean {
    return this.#missing === 0;
  }

  get #missing(): number {
    const { pictures, present, drawn, recovered } = this.#counts;
    return pictures - present - drawn - recovered;
  }

  /** Whether no picture may be started. */
  get #isOver(): boolean {
    return this.signal.aborted || this.#final !== undefined || this.journal.failure !== undefined;
  }

  async drawAll(series: Series): Promise<void> {
    this.#counts.pictures = series.pictures.length;
    const missing = await this.#findMissing(series);
    const notRecovered = new Set(missing.filter(({ threads }) => threads.length === 0));
    await this.#each(
      missing.filter(({ threads }) => threads.length > 0),
      async (picture) => {
        if (!(await this.#recover(picture))) notRecovered.add(picture);
      },
    );
    await this.#each(
      missing.filter((picture) => notRecovered.has(picture)),
      (picture) => this.#draw(picture),
    );
  }

  /** Prints the last lines, once the journal is closed. Resolves with the exit code. */
  async summarize(continueWith: string): Promise<number> {
    // A signal after the last picture has stopped nothing.
    const stopped = this.isComplete ? undefined : this.signal.reason;
    for (const error of [this.journal.failure, stopped]) {
      if (error === undefined) continue;
      this.#final = explain(error);
      // oxlint-disable-next-line no-await-in-loop -- one after the other.
      await this.reporter.failed(this.#final);
    }
    const { running: _, ...counts } = this.#counts;
    await this.reporter.summary({
      ...counts,
      notStarted: this.#missing - counts.failed,
      ...resetOf(this.#final),
      continueWith: this.isComplete ? undefined : continueWith,
    });
    return (this.#final ?? this.#first?.failure)?.exit ?? EXIT.ok;
  }

  /** Throws a {@link CommandError} if a missing picture could not be written. */
  async #findMissing(series: Series): Promise<Missing[]> {
    const keys = keysOf(series);
    const missing: Missing[] = [];
    const problems: (Problem & { code: string })[] = [];
    for (const [index, picture] of series.pictures.entries()) {
      const key = keys[index] ?? '';
      const file = this.#writtenFile(key);
      if (file !== undefined) {
        this.#counts.present += 1;
        // oxlint-disable-next-line no-await-in-loop -- in the order of the pictures.
        await this.reporter.present(picture.number, file);
        continue;
      }
      const { target, prompt } = picture.command;
      const { threads } = this.journal.entry(key);
      try {
        // oxlint-disable-next-line no-await-in-loop -- in the order of the pictures.
        const destination = await prepare(target, prompt, series.directory);
        missing.push({ ...picture, key, threads, destination });
      } catch (error) {
        const { code, message } = explain(error);
        problems.push({ picture: picture.number, name: picture.name, code, message });
      }
    }
    const [problem] = problems;
    if (problem === undefined) return missing;
    const code = problems.every(({ code: of }) => of === 'OUTPUT_EXISTS')
      ? 'OUTPUT_EXISTS'
      : 'OUTPUT_FAILED';
    const count = problems.length === 1 ? 'A picture' : `${problems.length} pictures`;
    throw new CommandError(code, `${count} cannot be written, so none was drawn`, { problems });
  }

  /** Returns the file of a picture that is there. */
  #writtenFile(key: string): string | undefined {
    const { done, image } = this.journal.entry(key);
    if (done !== undefined && isFile(this.journal.resolve(done))) return this.journal.resolve(done);
    if (image === undefined) return undefined;
    // The run ended between writing the picture and its line in the journal.
    const names = namesLike(this.journal.resolve(image.file));
    for (let file = names.next().value; isFile(file); file = names.next().value) {
      if (sha256(readFileSync(file)) !== image.sha256) continue;
      this.journal.done(key, file);
      return file;
    }
    return undefined;
  }

  /** Works on {@link AT_ONCE} pictures at a time, until none may be started. */
  async #each(pictures: readonly Missing[], work: (picture: Missing) => Promise<void>) {
    const rest = pictures.values();
    const worker = async () => {
      for (const picture of rest) {
        if (this.#isOver) return;
        this.#counts.running += 1;
        this.reporter.counts(this.#counts);
        // oxlint-disable-next-line no-await-in-loop -- a worker does one after the other.
        await work(picture).catch((error: unknown) => this.#fail(picture, error));
        this.#counts.running -= 1;
        this.reporter.counts(this.#counts);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  /** Resolves with false if no earlier thread has a usable picture. */
  async #recover(picture: Missing): Promise<boolean> {
    const { codexHome } = picture.command.options;
    for (const threadId of picture.threads.toReversed()) {
      // oxlint-disable-next-line no-await-in-loop -- the last one is the most likely.
      const image = await this.addon
        .recoverCodexImage({ threadId, codexHome })
        .catch((error: unknown) => {
          if (NOT_RECOVERABLE.has(explain(error).code)) return undefined;
          throw error;
        });
      if (image === undefined) continue;
      // oxlint-disable-next-line no-await-in-loop -- it is the last one.
      await this.#keep(picture, image, 'recovered');
      return true;
    }
    return false;
  }

  async #draw(picture: Missing): Promise<void> {
    const { command, key } = picture;
    const reporter = this.reporter.of(picture);
    let known: string | undefined;
    const options = { ...command.options, prompt: command.prompt, signal: this.signal };
    const image = await this.addon.generateCodexImageDetailed(options, (_, event) => {
      // Before there is a picture, so that a later run can recover it.
      if (event.threadId !== undefined && known === undefined) {
        known = event.threadId;
        this.journal.thread(key, known);
      }
      reporter.progress(event);
    });
    await this.#keep(picture, image, 'drawn');
  }

  async #keep(picture: Missing, image: GeneratedImage, how: 'drawn' | 'recovered'): Promise<void> {
    const { key, destination } = picture;
    this.journal.image(key, destination.file, sha256(image.png));
    const file = await write(image, destination);
    this.journal.done(key, file);
    this.#counts[how] += 1;
    const reporter = this.reporter.of(picture, how === 'recovered');
    // The picture is there, though perhaps not where it was wanted.
    await report(image, destination, file, reporter).catch((error: unknown) =>
      this.#report(picture, error),
    );
  }

  async #fail(picture: Missing, error: unknown): Promise<void> {
    if (this.signal.aborted && error === this.signal.reason) return;
    this.#counts.failed += 1;
    await this.#report(picture, error);
  }

  async #report({ number, name, command }: Missing, error: unknown): Promise<void> {
    const failure = explain(error, command);
    if (this.#first === undefined || number < this.#first.number) this.#first = { number, failure };
    if (failure.code === 'USAGE_LIMIT' || failure.exit === EXIT.notReady) this.#final ??= failure;
    await this.reporter.of({ number, name }).failed(failure);
  }
}

/** Errors of a recovery that leave only another turn. */
const NOT_RECOVERABLE = new Set(['NO_IMAGE', 'INVALID_IMAGE', 'IMAGE_TOO_LARGE']);

function resetOf(failure: Failure | undefined): { resetsAt?: Date } {
  const { resetsAt } = failure?.members ?? {};
  return resetsAt === undefined ? {} : { resetsAt };
}

function isFile(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isFile() === true;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
