// A disk that dies: a FUSE file system in libfuse's protocol (linux/fuse.h), on descriptor 3. Every
// name is a file of one byte. Once a file is opened, no request is answered.

import { readSync, writeSync } from 'node:fs';

const OPCODES = { lookup: 1, getattr: 3, open: 14, init: 26 };
const ENOSYS = 38;
const HOUR = 3600n;
const request = Buffer.alloc(1 << 18);

for (;;) {
  readSync(3, request);
  const opcode = request.readUInt32LE(4);
  const node = request.readBigUInt64LE(16);
  if (opcode === OPCODES.init) answer(init());
  else if (opcode === OPCODES.lookup) answer(Buffer.concat([entry(), attributes(2n)]));
  else if (opcode === OPCODES.getattr) answer(Buffer.concat([validity(), attributes(node)]));
  else if (opcode === OPCODES.open) {
    answer(opened());
    break;
  } else answer(Buffer.alloc(0), -ENOSYS);
}
// A request that was not fetched ends with the process that waits for it.
setInterval(() => {}, 1 << 30);

/**
 * @param {Buffer} body
 * @param {number} [error]
 */
function answer(body, error = 0) {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(head.length + body.length, 0);
  head.writeInt32LE(error, 4);
  request.copy(head, 8, 8, 16);
  writeSync(3, Buffer.concat([head, body]));
}

function init() {
  const body = Buffer.alloc(64);
  body.writeUInt32LE(7, 0);
  body.writeUInt32LE(23, 4);
  // The largest write.
  body.writeUInt32LE(1 << 12, 20);
  return body;
}

function entry() {
  const body = Buffer.alloc(40);
  body.writeBigUInt64LE(2n, 0);
  body.writeBigUInt64LE(HOUR, 16);
  body.writeBigUInt64LE(HOUR, 24);
  return body;
}

function validity() {
  const body = Buffer.alloc(16);
  body.writeBigUInt64LE(HOUR, 0);
  return body;
}

function opened() {
  const body = Buffer.alloc(16);
  // FOPEN_NOFLUSH: otherwise a process that ends would wait for the answer to its `close`.
  body.writeUInt32LE(1 << 5, 8);
  return body;
}

/** @param {bigint} node */
function attributes(node) {
  const body = Buffer.alloc(88);
  const isRoot = node === 1n;
  body.writeBigUInt64LE(node, 0);
  body.writeBigUInt64LE(1n, 8);
  body.writeUInt32LE(isRoot ? 0o40755 : 0o100644, 60);
  body.writeUInt32LE(1, 64);
  return body;
}
