// Shows the image in terminals that support it. Recognises them by environment variables, because
// most terminals never answer a query.

export type Protocol = 'kitty' | 'iterm2' | 'iterm2 in parts';

/** The image protocol of this terminal, if it is known to have one. */
export function protocolOf(env: NodeJS.ProcessEnv): Protocol | undefined {
  const { TERM = '', TERM_PROGRAM: program } = env;
  // A multiplexer passes on the variables of the outer terminal, but not the image.
  if (env['TMUX'] || env['STY'] || /^(tmux|screen|dumb)/.test(TERM)) return undefined;
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
export const MAX_BYTES = 12 << 20;
const MAX_ROWS = 20;

/** Default ratio of a character cell, height to width. Fonts have 1.8 to 2.4. */
const USUAL_CELL_RATIO = 2;

export interface PreviewImage {
  png: Buffer;
  width: number;
  height: number;
}

export interface Screen {
  columns: number;
  rows: number;
  /** Height of a character cell divided by its width. */
  cellRatio?: number | undefined;
}

/** Returns the terminal sequences that show the image and end the line below it. */
export function preview(protocol: Protocol, image: PreviewImage, screen: Screen): string {
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
function fit({ width, height }: PreviewImage, screen: Screen) {
  const columnsPerRow = ((screen.cellRatio ?? USUAL_CELL_RATIO) * width) / height;
  const mostRows = Math.max(1, Math.min(MAX_ROWS, screen.rows - 4));
  const isWide = mostRows * columnsPerRow > screen.columns;
  const rows = isWide ? Math.max(1, Math.floor(screen.columns / columnsPerRow)) : mostRows;
  const columns = Math.min(screen.columns, Math.max(1, Math.round(rows * columnsPerRow)));
  return { columns, rows, isWide };
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
