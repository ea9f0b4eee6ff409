// Converts a PNG to sixels, scaled and with a palette of its own. Loaded when a terminal needs it:
// it is larger than the rest of the command line.

import { PNG } from 'pngjs';
// Not the whole package, which has a decoder as well.
import quantizer from 'sixel/lib/Quantizer.js';
import sixel from 'sixel/lib/SixelEncoder.js';

/** Size of the palette: most terminals have 256 colour registers, the VT340 has 16. */
const MOST_COLOURS = 256;

export interface Size {
  width: number;
  height: number;
}

/** Returns the terminal sequence that draws the image in that many pixels. */
export async function sixels(png: Buffer, size: Size): Promise<string> {
  const { data, ...original } = await decode(png);
  const pixels = scale(data, original, size);
  const palette = quantize(pixels, size.width);
  const { width, height } = size;
  // Pixels that are not drawn keep the terminal's background.
  return sixel.introducer(1) + sixel.sixelEncode(pixels, width, height, palette) + sixel.FINALIZER;
}

function decode(png: Buffer): Promise<PNG> {
  return new Promise((resolve, reject) => {
    new PNG().parse(png, (error: Error | null, decoded) => {
      if (error) reject(error);
      else resolve(decoded);
    });
  });
}

/** Makes each pixel the mean of those that it stands for. Every result is opaque or transparent. */
function scale(data: Uint8Array, from: Size, to: Size): Uint8ClampedArray {
  const columns = spans(from.width, to.width);
  const rows = spans(from.height, to.height);
  const scaled = new Uint8ClampedArray(to.width * to.height * 4);
  let at = 0;
  for (const [top, bottom] of rows) {
    for (const [left, right] of columns) {
      let [red, green, blue, opacity] = [0, 0, 0, 0];
      for (let y = top; y < bottom; y += 1) {
        const end = (y * from.width + right) * 4;
        for (let i = (y * from.width + left) * 4; i < end; i += 4) {
          const alpha = data[i + 3] ?? 0;
          red += (data[i] ?? 0) * alpha;
          green += (data[i + 1] ?? 0) * alpha;
          blue += (data[i + 2] ?? 0) * alpha;
          opacity += alpha;
        }
      }
      if (opacity >= 127.5 * (bottom - top) * (right - left)) {
        scaled.set([red / opacity, green / opacity, blue / opacity, 255], at);
      }
      at += 4;
    }
  }
  return scaled;
}

/** Divides `length` pixels into `count` spans of at least one. */
function spans(length: number, count: number): [begin: number, end: number][] {
  return Array.from({ length: count }, (_, n) => {
    const begin = Math.floor((n * length) / count);
    return [begin, Math.max(begin + 1, Math.floor(((n + 1) * length) / count))];
  });
}

/** Replaces the colours by those of the palette that it returns. */
function quantize(pixels: Uint8ClampedArray, width: number): number[] {
  // It spreads the error of a colour over the pixels beside it, and writes into its input.
  const opaque = pixels.map((value, index) => (index % 4 === 3 ? 255 : value));
  const { indices, palette } = quantizer.reduce(opaque, width, MOST_COLOURS);
  const colours = new Uint32Array(pixels.buffer);
  for (const [at, index] of indices.entries()) {
    if (pixels[at * 4 + 3] === 255) colours[at] = palette[index] ?? 0;
  }
  return palette;
}
