// Prints progress, results and failures, for people or for programs.

import type { GeneratedImage, ProgressEvent, Readiness } from 'codex-image';

import { terminalCellRatio } from './addon.mjs';
import type { Command, OutputMode } from './arguments.mjs';
import { adviceOn, type Failure } from './failure.mjs';
import { MAX_BYTES, preview, protocolOf } from './preview.mjs';
import { printable, printableJson } from './printable.mjs';
import { isLive, liveLine, minutes, plainLines, type Progress } from './progress.mjs';
import { quotaLines } from './quota.mjs';
import { printIfRead } from './streams.mjs';

export interface Reporter {
  progress(event: ProgressEvent): void;
  /** Reports an image that was written to `file`, or to stdout if that is undefined. */
  done(image: GeneratedImage, file: string | undefined): Promise<void>;
  readiness(readiness: Readiness, command: Command): Promise<void>;
  failed(failure: Failure): Promise<void>;
}

/** Prints one JSON object per line. docs/command-line.md lists the members. */
export function forPrograms(): Reporter {
  const line = (type: string, members: object) => `${printableJson({ type, ...members })}\n`;
  return {
    // Ignores errors of stdout: writing the last line reports them.
    progress: (event) => void process.stdout.write(line('progress', event)),
    done: ({ png, ...image }, path) =>
      printIfRead(line('result', { path, bytes: png.length, ...image })),
    readiness: (readiness) => printIfRead(line('readiness', readiness)),
    failed: ({ code, message, detail, members }) =>
      printIfRead(line('error', { code, message, ...members, detail })),
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

  const show = async ({ png, width, height }: GeneratedImage) => {
    const protocol = protocolOf(env);
    if (!wanted || quiet || !live || protocol === undefined || png.length > MAX_BYTES) return;
    const { columns = 80, rows = 24 } = stderr;
    const screen = { columns, rows, cellRatio: await terminalCellRatio() };
    stderr.write(preview(protocol, { png, width, height }, screen));
  };

  return {
    progress: ({ message }) => progress.show(printable(message)),

    async done(image, file) {
      progress.end();
      await show(image);
      if (!quiet) printLine(summary(image));
      if (verbose) printLine(provenance(image));
      for (const warning of image.warnings) printLine(`Warning: ${warning}`);
      if (file !== undefined) await printIfRead(`${file}\n`);
    },

    async readiness(readiness, command) {
      await printIfRead(printable(`${describe(readiness, command).join('\n')}\n`));
    },

    async failed({ code, message, detail, members }) {
      progress.end();
      printLine(`codex-image: ${message} [${code}]`);
      if (detail !== undefined && verbose) printLine(detail.replaceAll(/^/gm, '  '));
      else if (detail !== undefined) printLine('--verbose shows more.');
      if (Object.hasOwn(members, 'path') && 'path' in members)
        await printIfRead(`${String(members.path)}\n`);
    },
  };
}

function summary({ width, height, png, timings }: GeneratedImage): string {
  const kB = png.length / 1000;
  const size = kB < 1000 ? `${Math.ceil(kB)} kB` : `${(kB / 1000).toFixed(1)} MB`;
  return `${width} × ${height} pixels, ${size}, in ${minutes(timings.totalMs)}`;
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

function describe(readiness: Readiness, command: Command): string[] {
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
      `  To do: ${fix}${adviceOn(code, command)}`,
    ]),
  ];
}
