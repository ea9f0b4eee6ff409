// What is happening: one line that changes on a terminal, one line each elsewhere.

import type { Writable } from 'node:stream';
import type { WriteStream } from 'node:tty';

export interface Progress {
  show(message: string): void;
  /** Leaves the terminal as it was. */
  end(): void;
}

/** Whether lines can be redrawn: not in an editor's shell, and of no use in the log of a CI. */
export function isLive(stream: WriteStream, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY && env['TERM'] !== 'dumb' && !env['CI'];
}

const CLEAR_LINE = '\r\u001B[2K';
// Where the terminal counts other columns than we do, such as for emoji, the line must not spill over to the next.
const NO_WRAP = '\u001B[?7l';
const WRAP = '\u001B[?7h';

export function liveLine(stream: WriteStream): Progress {
  const elapsed = clock();
  let message = '';
  let timer: NodeJS.Timeout | undefined;
  const paint = () => {
    const columns = stream.columns || 80;
    // Not into the last column, where some terminals wrap at once.
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

/** Starts when it is first looked at. */
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
