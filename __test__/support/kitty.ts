// A kitty in a display of its own that nobody sees, and what it shows. Both come from the system;
// the display writes its screen into a file (XWD), which needs no further program to be read.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** Why there can be no screenshot here, if there cannot. */
export function kittyIsMissing(): string | undefined {
  const missing = Object.entries({ kitty: '--version', Xvfb: '-help' })
    .filter(([program, harmless]) => spawnSync(program, [harmless]).error !== undefined)
    .map(([program]) => program);
  return missing.length > 0 ? `${missing.join(' and ')} not installed` : undefined;
}

export interface Window {
  width: number;
  height: number;
  /** Lines of kitty.conf. */
  settings?: Record<string, string>;
}

export class Screenshot {
  constructor(
    readonly width: number,
    readonly height: number,
    /** Red, green and blue of each pixel. */
    readonly pixels: Buffer,
  ) {}

  at(x: number, y: number): [red: number, green: number, blue: number] {
    const at = (y * this.width + x) * 3;
    return [this.pixels[at] ?? 0, this.pixels[at + 1] ?? 0, this.pixels[at + 2] ?? 0];
  }
}

/** Runs a command in a new window that fills its display, until `use` is done. */
export async function inKitty<Result>(
  command: readonly string[],
  place: Place,
  window: Window,
  use: (kitty: Kitty) => Promise<Result>,
): Promise<Result> {
  const kitty = await Kitty.start(command, place, window);
  try {
    return await use(kitty);
  } finally {
    await kitty.close();
  }
}

/** Where the command runs. */
export interface Place {
  env: Record<string, string>;
  cwd: string;
}

export class Kitty {
  private constructor(
    private readonly directory: string,
    private readonly display: ChildProcess,
    private readonly kitty: ChildProcess,
    private readonly window: Window,
  ) {}

  static async start(
    command: readonly string[],
    { env, cwd }: Place,
    window: Window,
  ): Promise<Kitty> {
    const directory = await mkdtemp(path.join(tmpdir(), 'codex-image-kitty-'));
    const { width, height } = window;
    const display = spawn(
      'Xvfb',
      ['-displayfd', '3', '-screen', '0', `${width}x${height}x24`, '-fbdir', directory],
      { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] },
    );
    const [number] = (await once(display.stdio[3] as Readable, 'data')) as [Buffer];
    const settings = {
      initial_window_width: width,
      initial_window_height: height,
      remember_window_size: 'no',
      enable_audio_bell: 'no',
      update_check_interval: '0',
      cursor_blink_interval: '0',
      ...window.settings,
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const kitty = spawn('kitty', ['--config', 'NONE', ...options, ...command], {
      cwd,
      env: {
        ...env,
        DISPLAY: `:${number.toString().trim()}`,
        LIBGL_ALWAYS_SOFTWARE: '1',
        LANG: 'C.UTF-8',
        XDG_RUNTIME_DIR: directory,
        KITTY_CACHE_DIRECTORY: directory,
      },
      stdio: 'ignore',
    });
    return new Kitty(directory, display, kitty, window);
  }

  /** Resolves with the first screenshot that is as wanted. */
  async shows(isWanted: (screenshot: Screenshot) => boolean): Promise<Screenshot> {
    for (;;) {
      const screenshot = await this.#screenshot();
      if (screenshot !== undefined && isWanted(screenshot)) return screenshot;
      const ended = [this.display, this.kitty].find(({ exitCode }) => exitCode !== null);
      if (ended !== undefined) throw new Error(`${ended.spawnfile} ended: ${ended.exitCode}`);
      await sleep(50);
    }
  }

  /** The display's file: a header of 32-bit words, colours, and the pixels as blue, green, red, 0. */
  async #screenshot(): Promise<Screenshot | undefined> {
    const file = await readFile(path.join(this.directory, 'Xvfb_screen0'));
    const word = (index: number) => file.readUInt32BE(index * 4);
    const [size, width, height, stride, colours] = [word(0), word(4), word(5), word(12), word(19)];
    const begin = size + colours * 12;
    const { window } = this;
    if (width !== window.width || height !== window.height) return undefined;
    const pixels = Buffer.alloc(width * height * 3);
    for (let y = 0, to = 0; y < height; y += 1) {
      for (let x = 0, at = begin + y * stride; x < width; x += 1, at += 4, to += 3) {
        pixels[to] = file[at + 2] ?? 0;
        pixels[to + 1] = file[at + 1] ?? 0;
        pixels[to + 2] = file[at] ?? 0;
      }
    }
    return new Screenshot(width, height, pixels);
  }

  async close(): Promise<void> {
    for (const child of [this.kitty, this.display]) {
      const ended = once(child, 'exit');
      if (child.exitCode === null && child.signalCode === null) {
        child.kill();
        await ended;
      }
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}
