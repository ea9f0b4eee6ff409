// Pictures of the loopback backend: PNG files of any size, and a drawing of the prompt for the
// demo.

import { deflateSync } from 'node:zlib';

import { assemble, chunk, header } from './small-png.js';

export type Rgba = readonly [red: number, green: number, blue: number, alpha?: number];
export type Painter = (x: number, y: number) => Rgba;

export interface PngOptions {
  width: number;
  height: number;
  /** The colour of each pixel, by default noise of `seed`. */
  paint?: Painter;
  seed?: number;
  alpha?: boolean;
  /** The least size: noise, which does not compress, covers as many rows as needed. */
  minBytes?: number;
}

/** Makes a valid 8-bit truecolour PNG. The same options give the same bytes. */
export function makePng(options: PngOptions): Buffer {
  const { width, height, alpha = false, minBytes = 0 } = options;
  const random = randomBytes(options.seed ?? 1);
  const noise: Painter = () => [random(), random(), random(), random()];
  const paint = options.paint ?? noise;

  const channels = alpha ? 4 : 3;
  const stride = width * channels;
  if (minBytes > height * stride) {
    throw new RangeError(`${width}×${height} pixels cannot fill ${minBytes} bytes`);
  }
  const noisyFrom = height - Math.ceil(minBytes / stride);

  const rows = Buffer.alloc(height * (stride + 1));
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    rows[at++] = FILTER_SUB;
    const colour = y < noisyFrom ? paint : noise;
    const rowStart = at;
    for (let x = 0; x < width; x += 1) {
      const pixel = colour(x, y);
      for (let channel = 0; channel < channels; channel += 1) rows[at++] = pixel[channel] ?? 255;
    }
    // In place, hence from the right: each byte becomes its difference to the pixel before.
    for (let i = at - 1; i >= rowStart + channels; i -= 1) {
      rows[i] = byteAt(rows, i) - byteAt(rows, i - channels);
    }
  }

  return assemble([
    header({ width, height, alpha }),
    chunk('IDAT', deflateSync(rows, { level: 4 })),
  ]);
}

/** About as many pixels as the real tool draws, for every aspect. */
const PIXELS = 1254 * 1254;

/**
 * Draws in place of the model: dunes below a sun, in colours that the prompt names (or else
 * chosen by its hash), with the prompt's text across the sky.
 */
export function drawPrompt(prompt: string, aspect = '1:1'): Buffer {
  const { width, height } = sizeOf(aspect);
  const random = randomBytes(hash(prompt));
  const unit = (): number => random() / 255;

  const [skyHue, sunHue] = huesOf(prompt, unit);
  const skyTop = oklch(0.5, 0.12, skyHue);
  const skyBottom = oklch(0.9, 0.06, skyHue + 30);
  const sun = oklch(0.8, 0.15, sunHue);

  const sunX = width * (0.25 + 0.5 * unit());
  const sunY = height * 0.62;
  const sunRadius = Math.min(width, height) * 0.2;
  const dunes = Array.from({ length: 4 }, (_, layer) => ({
    colour: oklch(0.66 - layer * 0.13, 0.11 - layer * 0.015, sunHue - layer * 12),
    crest: crestLine(width, height * (0.66 + layer * 0.09), height * 0.05, unit),
  }));
  const letters = lettering(prompt.trim(), width, Math.round(height * 0.46));

  // A little grain, as in a real file, hides the steps of the gradients.
  const shade = (colour: Rgba, light = 0): Rgba => {
    const change = light + (random() & 3) - 1.5;
    return [
      clampByte(colour[0] + change),
      clampByte(colour[1] + change),
      clampByte(colour[2] + change),
    ];
  };
  const paint: Painter = (x, y) => {
    const letter = letters[y * width + x];
    if (letter === INK) return WHITE;
    if (letter === SHADOW) return shade(skyTop, -70);
    const dune = dunes.findLast(({ crest }) => y >= (crest[x] ?? height));
    if (dune) return shade(dune.colour, 22 - ((y - (dune.crest[x] ?? 0)) * 70) / height);
    const sky = mix(skyTop, skyBottom, y / (height * 0.75));
    const rim = Math.hypot(x - sunX, y - sunY) - sunRadius;
    // One pixel of softness smooths the edge of the disc.
    if (rim < 1) return shade(mix(sun, sky, rim));
    return shade(mix(mix(sky, sun, 0.45), sky, Math.sqrt(rim / (sunRadius * 1.6))));
  };
  return makePng({ width, height, paint });
}

const FILTER_SUB = 1;
const WHITE: Rgba = [255, 255, 255];

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

/** The largest whole sides of that aspect within the pixel budget. */
function sizeOf(aspect: string): { width: number; height: number } {
  const [w = 1, h = 1] = aspect.split(':').map(Number);
  const ratio = w > 0 && h > 0 ? w / h : 1;
  return {
    width: Math.round(Math.sqrt(PIXELS * ratio)),
    height: Math.round(Math.sqrt(PIXELS / ratio)),
  };
}

// FNV-1a: spreads a single changed letter over all bits, which the generator below needs as its
// seed.
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}

/** mulberry32, one byte at a time: a fixed seed gives the same image in every Node. */
function randomBytes(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) & 0xff;
  };
}

const HUES = new Map([
  ['red', 27],
  ['orange', 60],
  ['yellow', 100],
  ['green', 145],
  ['turquoise', 190],
  ['blue', 258],
  ['purple', 305],
  ['violet', 305],
  ['pink', 350],
]);

/** Sky and sun: the colours that the prompt names last and first, if any. */
function huesOf(prompt: string, unit: () => number): [sky: number, sun: number] {
  const named = (prompt.toLowerCase().match(/[a-z]+/g) ?? []).flatMap(
    (word) => HUES.get(word) ?? [],
  );
  const sun = named[0] ?? unit() * 360;
  return [named.length > 1 ? (named.at(-1) ?? sun) : sun + 120 + unit() * 120, sun];
}

/** A perceptual colour space keeps all palettes equally light. */
function oklch(lightness: number, chroma: number, hue: number): Rgba {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    gamma(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    gamma(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    gamma(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function gamma(linear: number): number {
  const value = Math.max(0, linear);
  return clampByte(255 * (value <= 0.0031308 ? 12.92 * value : 1.055 * value ** (1 / 2.4) - 0.055));
}

function clampByte(value: number): number {
  return Math.min(255, Math.max(0, Math.round(value)));
}

function mix(from: Rgba, to: Rgba, share: number): Rgba {
  const t = Math.min(1, Math.max(0, share));
  return [
    from[0] + (to[0] - from[0]) * t,
    from[1] + (to[1] - from[1]) * t,
    from[2] + (to[2] - from[2]) * t,
  ];
}

function crestLine(width: number, base: number, swing: number, unit: () => number): Float64Array {
  const waves = [1, 2.3, 4.1].map((pitch) => ({
    pitch: (pitch * (0.8 + 0.4 * unit()) * 2 * Math.PI) / width,
    phase: unit() * 2 * Math.PI,
    height: swing / pitch,
  }));
  return Float64Array.from({ length: width }, (_, x) =>
    waves.reduce((y, wave) => y + wave.height * Math.sin(x * wave.pitch + wave.phase), base),
  );
}

const CELL = { width: 6, height: 9 };
const INK = 2;
const SHADOW = 1;

/**
 * The coverage of the text and its shadow, one byte for each pixel of a band at the top: wrapped,
 * centred, in the largest whole-pixel size that fits.
 */
function lettering(text: string, width: number, height: number): Uint8Array {
  const words = text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toUpperCase()
    .split(/\s+/);
  const linesAt = (scale: number): string[] =>
    wrap(words, Math.floor((width * 0.88) / (CELL.width * scale)));
  let scale = Math.max(2, Math.floor(width / 90));
  while (scale > 2 && linesAt(scale).length * CELL.height * scale > height * 0.8) scale -= 1;

  const lines = linesAt(scale).slice(0, Math.max(1, Math.floor(height / (CELL.height * scale))));
  const top = Math.round(height - lines.length * CELL.height * scale) / 2 + scale;
  const band = new Uint8Array(width * height);
  const stamp = (mark: number, offset: number): void => {
    for (const [row, line] of lines.entries()) {
      const left = (width - (line.length * CELL.width - 1) * scale) / 2;
      for (const { x, y } of dots(line)) {
        const dotX = Math.round(left + x * scale) + offset;
        const dotY = Math.round(top + (row * CELL.height + y) * scale) + offset;
        for (let i = 0; i < scale; i += 1) {
          const start = (dotY + i) * width + dotX;
          band.fill(mark, start, start + scale);
        }
      }
    }
  };
  stamp(SHADOW, Math.max(1, Math.floor(scale / 2)));
  stamp(INK, 0);
  return band;
}

function* dots(line: string): Generator<{ x: number; y: number }> {
  for (const [at, letter] of [...line].entries()) {
    for (const [y, digit] of [...(GLYPHS.get(letter) ?? TOFU)].entries()) {
      const bits = Number.parseInt(digit, 32);
      for (let x = 0; x < 5; x += 1) if (bits & (16 >> x)) yield { x: at * CELL.width + x, y };
    }
  }
}

/** Greedy. A word longer than a line is cut. */
function wrap(words: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of words.flatMap(
    (whole) => whole.match(new RegExp(`.{1,${columns}}`, 'gu')) ?? [],
  )) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** A 5×7 font: seven rows from the top, each the five pixels of the row as one base-32 digit. */
const GLYPHS = new Map(
  (
    'Aehhvhhh Buhhuhhu Cehggghe Dsihhhis Evgguggv Fvgguggg Gehgnhhf Hhhhvhhh Ie44444e J72222ic ' +
    'Khikokih Lggggggv Mhrllhhh Nhhpljhh Oehhhhhe Puhhuggg Qehhhlid Ruhhukih Sfgge11u Tv444444 ' +
    'Uhhhhhhe Vhhhhha4 Whhhllla Xhha4ahh Yhhha444 Zv1248gv 0ehjlphe 14c4444e 2eh1248v 3v2421he ' +
    '426aiv22 5vgu11he 668guhhe 7v124888 8ehhehhe 9ehhf12c .00000cc ,0000c48 !4444404 ?eh12404 ' +
    `-000v000 'c480000 "aa00000 :0cc0cc0 ;0cc0c48 &cik8lid (2488842 )8422248 /01248g0 +044v440`
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 1), entry.slice(1)] as const)
    .concat([[' ', '0000000']]),
);
/** Drawn for a character that the font lacks. */
const TOFU = 'vhhhhhv';
