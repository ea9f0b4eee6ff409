// kitty on a display without a screen, and what it shows. Both programs come from the system. The
// display keeps its pixels in a file (XWD), so that no third one has to read them.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** Names the programs that are not installed, if any. */
export function missingForKitty(): string {
  const harmless = { kitty: '--version', Xvfb: '-help' };
  return Object.entries(harmless)
    .filter(([program, option]) => spawnSync(program, [option]).error !== undefined)
    .map(([program]) => program)
    .join(' and ');
}

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
  command: readonly string[];
  env: Record<string, string>;
  cwd: string;
  /** Of the window, which fills its display. */
  width: number;
  height: number;
  /** Lines of kitty.conf. */
  settings?: Record<string, string>;
}

/** Runs a command in a window of its own until `use` has settled. */
export async function inKitty<Result>(
  session: Session,
  use: (kitty: Kitty) => Promise<Result>,
): Promise<Result> {
  const directory = await mkdtemp(path.join(tmpdir(), 'codex-image-kitty-'));
  const children: Child[] = [];
  try {
    const display = startDisplay(session, directory);
    children.push(display);
    const kitty = startKitty(session, directory, await numberOf(display));
    children.unshift(kitty);
    return await use(new Kitty(path.join(directory, 'Xvfb_screen0'), kitty));
  } finally {
    for (const { process: child, ended } of children) {
      child.kill();
      await ended;
    }
    await rm(directory, { recursive: true });
  }
}

export class Kitty {
  constructor(
    private readonly file: string,
    private readonly kitty: Child,
  ) {}

  /** Resolves with the first screenshot that is as wanted. */
  async shows(isWanted: (screenshot: Screenshot) => boolean): Promise<Screenshot> {
    const { process: child, ended } = this.kitty;
    while (child.exitCode === null && child.signalCode === null) {
      const screenshot = readXwd(await readFile(this.file));
      if (isWanted(screenshot)) return screenshot;
      await sleep(50);
    }
    throw new Error(`kitty has ended: ${(await ended).join()}`);
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

function startKitty(session: Session, directory: string, display: string): Child {
  const settings = {
    remember_window_size: 'no',
    initial_window_width: session.width,
    initial_window_height: session.height,
    update_check_interval: '0',
    ...session.settings,
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const child = spawn('kitty', ['--config', 'NONE', ...options, ...session.command], {
    cwd: session.cwd,
    env: {
      ...session.env,
      DISPLAY: `:${display}`,
      LANG: 'C.UTF-8',
      LIBGL_ALWAYS_SOFTWARE: '1',
      KITTY_CACHE_DIRECTORY: directory,
      XDG_RUNTIME_DIR: directory,
    },
    stdio: 'ignore',
  });
  return { process: child, ended: once(child, 'exit') };
}

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
