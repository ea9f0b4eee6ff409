// Shows the image in terminals that support it. Recognises those with a better protocol than sixel
// by environment variables, and asks any other whether it has sixels.

export type Protocol = 'kitty' | 'iterm2' | 'iterm2 in parts' | 'sixel';

/** The image protocol of this terminal, if it has one. `ask` returns the terminal's attributes. */
export async function protocolOf(
  env: NodeJS.ProcessEnv,
  ask: () => Promise<number[]>,
): Promise<Protocol | undefined> {
  // A multiplexer passes on the variables of the outer terminal, but not the image. tmux may say
  // that it has sixels, even if the outer terminal has none.
  if (env['TMUX'] || env['STY'] || /^(tmux|screen|dumb)/.test(env['TERM'] ?? '')) return undefined;
  const known = knownProtocol(env);
  if (known !== undefined || env['NO_COLOR']) return known;
  const attributes = await ask();
  return attributes.includes(SIXEL_GRAPHICS) ? 'sixel' : undefined;
}

/** As one of a terminal's primary device attributes. */
const SIXEL_GRAPHICS = 4;

function knownProtocol(env: NodeJS.ProcessEnv): Protocol | undefined {
  const { TERM, TERM_PROGRAM: program } = env;
  // TERM first: unlike the others, it is never inherited from another terminal.
  if (TERM === 'xterm-kitty' || TERM === 'xterm-ghostty') return 'kitty';
  // ssh passes on LC_*, but not TERM_PROGRAM.
  if (program === undefined && env['LC_TERMINAL'] === 'iTerm2')
    return iterm2(env['LC_TERMINAL_VERSION']);
  switch (program) {
    case 'iTerm.app':
      return iterm2(env['TERM_PROGRAM_VERSION']);
    case 'WezTerm':
    case 'mintty':
      return 'iterm2';
    case 'ghostty':
      return 'kitty';
    case undefined:
      return env['KITTY_WINDOW_ID'] ? 'kitty' : undefined;
    default:
      return undefined;
  }
}

/** Since 3.5 iTerm2 limits a sequence to 1 MiB, less than most images have, and accepts parts. */
function iterm2(version = ''): Protocol {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 5) ? 'iterm2 in parts' : 'iterm2';
}

/** Size limit of a file that is shown: larger ones take too long, above all through ssh. */
const MAX_BYTES = 12 << 20;
const MAX_ROWS = 20;

/** Most pixels of an image that is decoded: 32 bits each. */
const MAX_PIXELS = 1 << 25;
/** xterm cuts off what is larger. */
const MAX_SIXEL_WIDTH = 1000;
/** The height of a line of sixels, in pixels. */
const SIXEL = 6;

/** That of the VT340, and of Windows Terminal for sixels in any font. Fonts have 1:1.8 to 1:2.4. */
const USUAL_CELL: Size = { width: 10, height: 20 };

export interface Size {
  width: number;
  height: number;
}

export interface PreviewImage extends Size {
  png: Buffer;
}

export interface Screen {
  columns: number;
  rows: number;
  /** Of a character, in pixels. */
  cell?: Size | undefined;
}

/**
 * Returns the terminal sequences that show the image and end the line below it. Nothing if the
 * image is too large to be shown.
 */
export async function preview(
  protocol: Protocol,
  image: PreviewImage,
  screen: Screen,
): Promise<string> {
  if (image.png.length > MAX_BYTES) return '';
  if (protocol !== 'sixel') return encoded(protocol, image, screen);
  if (image.width * image.height > MAX_PIXELS) return '';
  const { sixels } = await import('./sixel.mjs');
  return `${await sixels(image.png, sixelSize(image, screen))}\n`;
}

/** Sends the file as it is. */
function encoded(
  protocol: Exclude<Protocol, 'sixel'>,
  image: PreviewImage,
  screen: Screen,
): string {
  const { columns, rows, isWide } = fit(image, screen);
  const base64 = image.png.toString('base64');
  if (protocol === 'kitty') {
    const [first = '', ...rest] = slices(base64, 4096);
    // Sets both sides: given only one, older versions of kitty (#7380) and of Ghostty (#6673)
    // stretch the image.
    // q=2 suppresses the answer, which the next reader of the terminal would take for input.
    const control = `a=T,f=100,q=2,c=${columns},r=${rows},m=${rest.length > 0 ? 1 : 0}`;
    const tail = rest.map((part, index) => apc(`m=${index < rest.length - 1 ? 1 : 0}`, part));
    return `${apc(control, first)}${tail.join('')}\n`;
  }
  const size = isWide ? `width=${screen.columns};height=auto` : `width=auto;height=${rows}`;
  const options = `inline=1;size=${image.png.length};${size};preserveAspectRatio=1`;
  if (protocol === 'iterm2') return `${osc(`File=${options}:${base64}`)}\n`;
  const parts = slices(base64, 64 << 10).map((part) => osc(`FilePart=${part}`));
  return `${osc(`MultipartFile=${options}`)}${parts.join('')}${osc('FileEnd')}\n`;
}

/**
 * Returns the largest size in whole cells that leaves rows for text. Computes the columns, the
 * finer unit, from the rows, so that rounding distorts the image the least.
 */
function fit({ width, height }: Size, { cell = USUAL_CELL, ...screen }: Screen) {
  const columnsPerRow = ((cell.height / cell.width) * width) / height;
  const mostRows = Math.max(1, Math.min(MAX_ROWS, screen.rows - 4));
  const isWide = mostRows * columnsPerRow > screen.columns;
  const rows = isWide ? Math.max(1, Math.floor(screen.columns / columnsPerRow)) : mostRows;
  const columns = Math.min(screen.columns, Math.max(1, Math.round(rows * columnsPerRow)));
  return { columns, rows, isWide };
}

/** Returns the size in pixels of an image in sixels. */
function sixelSize(image: Size, { columns, rows, cell = USUAL_CELL }: Screen): Size {
  // xterm counts its border as a part of the cells.
  const whole = {
    width: Math.max(1, Math.floor(cell.width)),
    height: Math.max(1, Math.floor(cell.height)),
  };
  const width = Math.min(columns * whole.width, MAX_SIXEL_WIDTH);
  const used = fit(image, { columns: Math.ceil(width / whole.width), rows, cell: whole });
  // Whole lines of sixels: afterwards the cursor is where the last one began.
  const lines = Math.max(1, Math.floor((used.rows * whole.height) / SIXEL));
  const height = lines * SIXEL;
  return {
    width: Math.min(width, Math.max(1, Math.round((height * image.width) / image.height))),
    height,
  };
}

function apc(control: string, payload: string): string {
  return `\u001B_G${control};${payload}\u001B\\`;
}

function osc(command: string): string {
  return `\u001B]1337;${command}\u0007`;
}

function slices(text: string, length: number): string[] {
  const count = Math.ceil(text.length / length);
  return Array.from({ length: count }, (_, n) => text.slice(n * length, (n + 1) * length));
}
