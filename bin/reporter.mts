// Prints progress, results and failures, for people or for programs.

import type { GeneratedImage, ProgressEvent, Readiness } from 'codex-image';

import { terminalAttributes, terminalCell } from './addon.mjs';
import type { OutputMode } from './arguments.mjs';
import { explain, type Failure } from './failure.mjs';
import { preview, type Protocol, protocolOf } from './preview.mjs';
import { printable, printableJson } from './printable.mjs';
import { isLive, liveLine, minutes, plainLines, type Progress } from './progress.mjs';
import { localTime, quotaLines } from './quota.mjs';
import type { Picture } from './series.mjs';
import { printIfRead } from './streams.mjs';

export interface Reporter {
  progress(event: ProgressEvent): void;
  /** Reports an image that was written to `file`, or to stdout if that is undefined. */
  done(image: GeneratedImage, file: string | undefined): Promise<void>;
  readiness(readiness: Readiness): Promise<void>;
  failed(failure: Failure): Promise<void>;
  warn(warning: string): void;

  /** Returns the reporter of one of several pictures. */
  of(picture: Pick<Picture, 'number' | 'name'>, isRecovered?: boolean): Reporter;
  /** Reports a picture that was there before. */
  present(number: number, file: string): Promise<void>;
  counts(counts: Counts): void;
  /** Ends the report of several pictures. */
  summary(summary: Summary): Promise<void>;
}

/** Numbers of pictures. */
export interface Counts {
  pictures: number;
  /** There before. */
  present: number;
  drawn: number;
  recovered: number;
  failed: number;
  running: number;
}

export interface Summary extends Omit<Counts, 'running'> {
  notStarted: number;
  resetsAt?: Date;
  /** The command for the pictures that are missing, if there are any. */
  continueWith: string | undefined;
}

/** Prints one JSON object per line. docs/command-line.md lists the members. */
export function forPrograms(common: { picture?: number; recovered?: boolean } = {}): Reporter {
  const line = (type: string, members: object) =>
    `${printableJson({ type, ...common, ...members })}\n`;
  return {
    // Ignores errors of stdout: writing the last line reports them.
    progress: (event) => void process.stdout.write(line('progress', event)),
    done: ({ png, ...image }, path) =>
      printIfRead(line('result', { path, bytes: png.length, ...image })),
    readiness: (readiness) => printIfRead(line('readiness', readiness)),
    failed: ({ code, message, detail, members }) =>
      printIfRead(line('error', { code, message, ...members, detail })),
    warn: (message) => void process.stdout.write(line('warning', { message })),
    of: ({ number: picture }, isRecovered = false) =>
      forPrograms({ picture, ...(isRecovered ? { recovered: true } : {}) }),
    present: (picture, path) => printIfRead(line('present', { picture, path })),
    counts() {},
    summary: (total) => printIfRead(line('summary', total)),
  };
}

/** Prints sentences to stderr, and the path of the image to stdout. */
export function forPeople({ quiet, verbose, preview: wanted }: OutputMode): Reporter {
  const { stderr } = process;
  // Without a prototype: a polluted `Object.prototype` sets no variable.
  const env: NodeJS.ProcessEnv = Object.assign(Object.create(null), process.env);
  const live = isLive(stderr, env);
  let progress: Progress = { show() {}, end() {} };
  if (!quiet) progress = live ? liveLine(stderr) : plainLines(stderr);
  const printLine = (line: string) => void stderr.write(`${printable(line)}\n`);

  let protocol: Promise<Protocol | undefined> | undefined;
  const findProtocol = () => {
    if (wanted && !quiet && live) protocol ??= protocolOf(env, terminalAttributes);
    return protocol;
  };

  const show = async ({ png, width, height }: GeneratedImage) => {
    try {
      const found = await findProtocol();
      if (found === undefined) return;
      const { columns = 80, rows = 24 } = stderr;
      const screen = { columns, rows, cell: await terminalCell() };
      stderr.write(await preview(found, { png, width, height }, screen));
    } catch (error) {
      printLine(`The picture cannot be shown here: ${explain(error).message}`);
    }
  };

  const reporterOf = (name?: string, isRecovered = false): Reporter => ({
    progress({ message }) {
      // Of several, no picture is shown.
      if (name !== undefined) return;
      progress.show(printable(message));
      // While Codex draws there is time for a slow answer. `show` reports an error.
      findProtocol()?.catch(() => {});
    },

    async done(image, file) {
      progress.end();
      if (name === undefined) await show(image);
      const subject = name === undefined ? '' : `${name}: `;
      const text = isRecovered ? `recovered, ${dimensions(image)}` : summary(image);
      if (!quiet) printLine(`${subject}${text}`);
      if (verbose) printLine(`${subject}${provenance(image)}`);
      for (const warning of image.warnings) printLine(`Warning: ${subject}${warning}`);
      if (file !== undefined) await printIfRead(`${file}\n`);
    },

    async readiness(readiness) {
      await printIfRead(printable(`${describe(readiness).join('\n')}\n`));
    },

    async failed({ code, message, detail, members }) {
      progress.end();
      const subject = name === undefined ? '' : `${name}: `;
      printLine(`codex-image: ${subject}${message} [${code}]`);
      const problems = Object.hasOwn(members, 'problems') ? members.problems : undefined;
      for (const problem of problems ?? []) printLine(`  ${problem.name}: ${problem.message}`);
      if (detail !== undefined && verbose) printLine(detail.replaceAll(/^/gm, '  '));
      else if (detail !== undefined) printLine('--verbose shows more.');
      if (Object.hasOwn(members, 'path')) await printIfRead(`${members.path}\n`);
    },

    warn(warning) {
      progress.end();
      printLine(`Warning: ${warning}`);
    },

    of: ({ name: another }, recovered) => reporterOf(another, recovered),
    present: async () => {},

    counts(counts) {
      // In a pipe each picture has its own line.
      if (live) progress.show(describeCounts(counts));
    },

    async summary(counts) {
      progress.end();
      if (!quiet || counts.continueWith !== undefined) printLine(describeTotal(counts));
    },
  });
  return reporterOf();
}

function summary(image: GeneratedImage): string {
  return `${dimensions(image)}, in ${minutes(image.timings.totalMs)}`;
}

function dimensions({ width, height, png }: GeneratedImage): string {
  const kB = png.length / 1000;
  const size = kB < 1000 ? `${Math.ceil(kB)} kB` : `${(kB / 1000).toFixed(1)} MB`;
  return `${width} × ${height} pixels, ${size}`;
}

function describeCounts({ pictures, present, drawn, recovered, failed, running }: Counts): string {
  const there = `${present + drawn + recovered} of ${pictures} pictures are there`;
  return `${there}, ${running} running${failed === 0 ? '' : `, ${failed} failed`}`;
}

function describeTotal(total: Summary): string {
  const { pictures, present, drawn, recovered, failed, notStarted } = total;
  const { resetsAt, continueWith } = total;
  const facts = [
    [drawn, 'drawn'],
    [recovered, 'recovered'],
    [present, 'there before'],
    [failed, 'failed'],
    [notStarted, 'not drawn yet'],
  ].flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]));
  const there = present + drawn + recovered;
  const sentences = [`${there} of ${pictures} pictures are there: ${facts.join(', ')}.`];
  if (resetsAt !== undefined) sentences.push(`The limit resets at ${localTime(resetsAt)}.`);
  if (continueWith !== undefined) sentences.push(`To draw the rest: ${continueWith}`);
  return sentences.join(' ');
}

function provenance({ source, verified, codexVersion, threadId, revisedPrompt }: GeneratedImage) {
  const facts = [
    `source ${source}${verified ? '' : ', not verified'}`,
    codexVersion && `Codex ${codexVersion}`,
    threadId && `thread ${threadId}`,
    revisedPrompt && `drawn as “${revisedPrompt}”`,
  ];
  return facts.filter(Boolean).join(', ');
}

const LOGINS: Record<Readiness['login'], string> = {
  chatgpt: 'ChatGPT',
  'api-key': 'an API key',
  none: 'none',
  unknown: 'unknown',
};

function describe(readiness: Readiness): string[] {
  const { ready, codexPath, version, login, imageTool, problems, quota } = readiness;
  return [
    ready ? 'Ready to draw.' : 'Not ready to draw.',
    `  Codex CLI   ${codexPath ?? 'not found'}${version === undefined ? '' : `, ${version}`}`,
    `  Login       ${LOGINS[login]}`,
    // The tool is a part of Codex.
    ...(codexPath === undefined ? [] : [`  Image tool  ${imageTool}`]),
    ...(quota === undefined ? [] : quotaLines(quota)),
    ...problems.flatMap(({ code, message, fix, blocking }) => [
      '',
      `${blocking ? 'Problem' : 'Hint'}: ${message} [${code}]`,
      `  To do: ${fix}`,
    ]),
  ];
}
