// A terminal on a display without a screen, and what it shows. Both programs come from the system.
// The display keeps its pixels in a file (XWD), so that no third one has to read them.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** Names the programs that are not installed, if any. */
export function missingFor(terminal: Emulator): string {
  const harmless = { kitty: '--version', xterm: '-version', Xvfb: '-help' };
  return ([terminal, 'Xvfb'] as const)
    .map((program) => [program, harmless[program]] as const)
    .filter(([program, option]) => spawnSync(program, [option]).error !== undefined)
    .map(([program]) => program)
    .join(' and ');
}

export type Emulator = 'kitty' | 'xterm';
export type Pixel = readonly [red: number, green: number, blue: number];

export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export class Screenshot {
  constructor(
    readonly width: number,
    readonly height: number,
    /** Red, green and blue of each pixel, row by row. */
    readonly pixels: Buffer,
  ) {}

  /** The smallest box around all pixels of a kind, edges included. */
  boxAround(isOfKind: (pixel: Pixel) => boolean): Box | undefined {
    const { width, height, pixels } = this;
    const box = { left: width, right: -1, top: height, bottom: -1 };
    for (let y = 0, at = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, at += 3) {
        if (!isOfKind([pixels[at] ?? 0, pixels[at + 1] ?? 0, pixels[at + 2] ?? 0])) continue;
        box.left = Math.min(box.left, x);
        box.right = Math.max(box.right, x);
        box.top = Math.min(box.top, y);
        box.bottom = y;
      }
    }
    return box.right < 0 ? undefined : box;
  }
}

export interface Session {
  terminal: Emulator;
  command: readonly string[];
  env: Record<string, string>;
  cwd: string;
  /** Of the window, which fills its display. */
  width: number;
  height: number;
  /** Lines of kitty.conf, or resources of xterm. */
  settings?: Record<string, string>;
}

/** Runs a command in a window of its own until `use` has settled. */
export async function inTerminal<Result>(
  session: Session,
  use: (window: Window) => Promise<Result>,
): Promise<Result> {
  const directory = await mkdtemp(path.join(tmpdir(), 'codex-image-window-'));
  const children: Child[] = [];
  try {
    const display = startDisplay(session, directory);
    children.push(display);
    const terminal = startTerminal(session, directory, await numberOf(display));
    children.unshift(terminal);
    return await use(new Window(path.join(directory, 'Xvfb_screen0'), terminal));
  } finally {
    for (const { process: child, ended } of children) {
      child.kill();
      await ended;
    }
    await rm(directory, { recursive: true });
  }
}

export class Window {
  constructor(
    private readonly file: string,
    private readonly terminal: Child,
  ) {}

  /** Resolves with the first screenshot that is as wanted. */
  async shows(isWanted: (screenshot: Screenshot) => boolean): Promise<Screenshot> {
    const { process: child, ended } = this.terminal;
    while (child.exitCode === null && child.signalCode === null) {
      const screenshot = readXwd(await readFile(this.file));
      if (isWanted(screenshot)) return screenshot;
      await sleep(50);
    }
    throw new Error(`The terminal has ended: ${(await ended).join()}`);
  }
}

interface Child {
  process: ChildProcess;
  ended: Promise<unknown[]>;
}

function startDisplay({ width, height }: Session, directory: string): Child {
  const screen = ['-screen', '0', `${width}x${height}x24`, '-fbdir', directory, '-nocursor'];
  const child = spawn('Xvfb', ['-displayfd', '3', ...screen], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  return { process: child, ended: once(child, 'exit') };
}

/** Resolves once the display can be used. */
async function numberOf({ process: child, ended }: Child): Promise<string> {
  const told = once(child.stdio[3] as Readable, 'data') as Promise<[Buffer]>;
  const [number] = await Promise.race([
    told,
    ended.then((how) => Promise.reject(new Error(`Xvfb has ended: ${how.join()}`))),
  ]);
  return number.toString().trim();
}

function startTerminal(session: Session, directory: string, display: string): Child {
  const [program, args] = COMMANDS[session.terminal](session);
  const child = spawn(program, args, {
    cwd: session.cwd,
    env: {
      ...session.env,
      DISPLAY: `:${display}`,
      LANG: 'C.UTF-8',
      LIBGL_ALWAYS_SOFTWARE: '1',
      KITTY_CACHE_DIRECTORY: directory,
      XDG_RUNTIME_DIR: directory,
      // No resources of the user.
      XENVIRONMENT: '/dev/null',
      XAPPLRESDIR: directory,
    },
    stdio: 'ignore',
  });
  return { process: child, ended: once(child, 'exit') };
}

const COMMANDS: Record<Emulator, (session: Session) => [program: string, args: string[]]> = {
  kitty({ width, height, settings, command }) {
    const all = {
      remember_window_size: 'no',
      initial_window_width: width,
      initial_window_height: height,
      update_check_interval: '0',
      ...settings,
    };
    const options = Object.entries(all).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    return ['kitty', ['--config', 'NONE', ...options, ...command]];
  },

  // Its usual type, a VT420, has no sixels.
  xterm({ width, height, settings = {}, command }) {
    // In cells of the display's own font, beside a border of two pixels.
    const [columns, rows] = [Math.floor((width - 4) / 6), Math.floor((height - 4) / 13)];
    const size = ['-geometry', `${columns}x${rows}+0+0`, '-fn', '6x13', '-ti', 'vt340'];
    const options = Object.entries(settings).flatMap(([name, value]) => [
      '-xrm',
      `*${name}: ${value}`,
    ]);
    return ['xterm', [...size, ...options, '-e', ...command]];
  },
};

/** A header of 32-bit words, the colour map, and four bytes a pixel: blue, green, red, nothing. */
function readXwd(file: Buffer): Screenshot {
  const word = (index: number) => file.readUInt32BE(index * 4);
  const [headerSize, width, height, stride, colours] = [0, 4, 5, 12, 19].map(word) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const begin = headerSize + colours * 12;
  const pixels = Buffer.alloc(width * height * 3);
  for (let y = 0, to = 0; y < height; y += 1) {
    for (let x = 0, at = begin + y * stride; x < width; x += 1, at += 4, to += 3) {
      pixels.writeUIntBE(file.readUIntLE(at, 3), to, 3);
    }
  }
  return new Screenshot(width, height, pixels);
}
