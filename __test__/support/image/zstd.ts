// Makes Zstandard frames (RFC 8878) without compression: Node 20 has no encoder.

const LARGEST_BLOCK = 2 ** 17;
/** Window sizes as frame headers have them: 2 MiB, as Codex uses, 8 MiB and 16 MiB. */
export const WINDOW = { usual: 11 << 3, largest: 13 << 3, larger: 14 << 3 };

export interface Frame {
  window?: number;
  /** Whether its last block is marked as the last. */
  isWhole?: boolean;
}

/** Makes a frame with `content`. */
export function frame(content: Uint8Array, { window = WINDOW.usual, isWhole = true }: Frame = {}) {
  const blocks: Buffer[] = [];
  for (let at = 0; at === 0 || at < content.length; at += LARGEST_BLOCK) {
    const part = content.subarray(at, at + LARGEST_BLOCK);
    const isLast = isWhole && at + LARGEST_BLOCK >= content.length;
    blocks.push(blockHeader(RAW, part.length, isLast), Buffer.from(part));
  }
  return Buffer.concat([frameHeader(window), ...blocks]);
}

/**
 * Makes a frame with `byte` that many times, rounded up to blocks: four bytes stand for 128 KiB.
 */
export function bomb(byte: string, times: number): Buffer {
  const block = Buffer.concat([blockHeader(REPEATED, LARGEST_BLOCK, false), Buffer.from(byte)]);
  const blocks = Buffer.alloc(block.length * Math.ceil(times / LARGEST_BLOCK), block);
  return Buffer.concat([frameHeader(WINDOW.usual), blocks, blockHeader(RAW, 0, true)]);
}

/** Makes a skippable frame. */
export function skippable(content: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x184d2a50, 0);
  header.writeUInt32LE(content.length, 4);
  return Buffer.concat([header, content]);
}

const RAW = 0;
const REPEATED = 1;

function frameHeader(window: number): Buffer {
  return Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, window]);
}

function blockHeader(kind: number, size: number, isLast: boolean): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE((size << 3) | (kind << 1) | Number(isLast), 0, 3);
  return header;
}
