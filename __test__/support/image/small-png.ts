// Makes PNG files, valid or broken in one way.

import { deflateSync } from 'node:zlib';

export const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

export interface Picture {
  width?: number;
  height?: number;
  alpha?: boolean;
  /** Different seeds give different pixels. */
  seed?: number;
  /** Chunks between the header and the pixels. */
  ancillary?: Buffer[];
}

/** A valid 8-bit RGB or RGBA image. */
export function png({ ancillary = [], ...picture }: Picture = {}): Buffer {
  return assemble([header(picture), ...ancillary, chunk('IDAT', deflateSync(pixels(picture)))]);
}

/** The picture of specs to which its size does not matter. */
export const PICTURE = png();

/** Joins the signature, the given chunks and IEND. */
export function assemble(chunks: Buffer[]): Buffer {
  return Buffer.concat([SIGNATURE, ...chunks, chunk('IEND', Buffer.alloc(0))]);
}

export function header({ width = 3, height = 2, alpha = false }: Picture = {}): Buffer {
  const data = Buffer.alloc(13);
  data.writeUInt32BE(width, 0);
  data.writeUInt32BE(height, 4);
  data[8] = 8;
  data[9] = alpha ? 6 : 2;
  return chunk('IHDR', data);
}

/** The rows of an image as PNG filters them (filter 0), not yet compressed. */
export function pixels({ width = 3, height = 2, alpha = false, seed = 1 }: Picture = {}): Buffer {
  const row = 1 + width * (alpha ? 4 : 3);
  const bytes = Buffer.alloc(row * height);
  let state = seed;
  for (let at = 0; at < bytes.length; at += 1) {
    if (at % row === 0) continue;
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export function chunk(type: string, data: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

// `zlib.crc32` is missing in some versions of Node 20.
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
