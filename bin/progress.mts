// Shows progress: one line that changes on a terminal, a line for each message elsewhere.

import type { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';

export interface Progress {
  show(message: string): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

/** Whether lines can be redrawn. An editor's shell cannot do it, and a CI log keeps every line. */
export function isLive(stream: WriteStream, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY && env['TERM'] !== 'dumb' && !env['CI'];
}

const CLEAR_LINE = '\r\u001B[2K';
// Without wrapping, a line stays one line even if the terminal counts more columns, as for emoji.
const NO_WRAP = '\u001B[?7l';
const WRAP = '\u001B[?7h';

export function liveLine(stream: WriteStream): Progress {
  const elapsed = clock();
  let message = '';
  let timer: NodeJS.Timeout | undefined;
  const paint = () => {
    const columns = stream.columns || 80;
    // The last column stays free: some terminals wrap there at once.
    const line = [...`${elapsed()}  ${message}`].slice(0, columns - 1).join('');
    stream.write(`${CLEAR_LINE}${NO_WRAP}${line}${WRAP}`);
  };
  const end = () => {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    stream.write(CLEAR_LINE);
  };
  return {
    show(next) {
      message = next;
      timer ??= setInterval(paint, 1000).unref();
      paint();
    },
    end,
  };
}

export function plainLines(stream: Writable): Progress {
  const elapsed = clock();
  return {
    show: (message) => void stream.write(`${elapsed()}  ${message}\n`),
    end() {},
  };
}

/** A clock that starts when it is first read. */
function clock(): () => string {
  let began: number | undefined;
  return () => {
    const now = performance.now();
    began ??= now;
    return minutes(now - began);
  };
}

/** `1:05` */
export function minutes(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
