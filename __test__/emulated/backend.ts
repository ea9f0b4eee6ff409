// The loopback backend for a real Codex on an emulated platform, which shares this machine's
// network. Prints the path of its home, and ends with its stdin.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { copy, draw, startBackend, talk } from '../support/loopback/backend.js';
import { makePng } from '../support/image/picture.js';

const PICTURE = makePng({ width: 512, height: 384, seed: 1 });

const [model] = process.argv.slice(2);
const backend = await startBackend([draw({ image: PICTURE }), copy(), talk(600_000)]);
try {
  const { path: home, env } = await backend.home(model === undefined ? {} : { model });
  await writeFile(path.join(home, 'expected.png'), PICTURE);
  console.log(JSON.stringify({ home, env }));
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once('end', resolve));
} finally {
  await backend.close();
}
