// `npm run demo -- "an orange cat on a blue cube"`: draws with the real Codex CLI and a loopback
// server in the place of OpenAI. `npm run demo -- --real "…"` uses your own Codex and login, and
// spends your allowance.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { type GenerateOptions, type GeneratedImage, generateCodexImageDetailed } from '../index.js';
import { installCodex, NEWEST } from '../__test__/support/real/codex-cli.js';
import { copy, draw, startBackend, talk, think } from '../__test__/support/loopback/backend.js';
import { briefOf } from '../__test__/support/loopback/request.js';
import { drawPrompt } from '../__test__/support/image/picture.js';

const OUTPUT = fileURLToPath(new URL('../demo.png', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    real: { type: 'boolean', default: false },
    aspect: { type: 'string', default: '1:1' },
  },
});
const prompt = positionals.join(' ').trim() || 'an orange cat on a blue cube';

const progress = progressLine();
const stopped = new AbortController();
process.once('SIGINT', () => stopped.abort(new Error('Stopped.')));
try {
  const options = { prompt, aspect: values.aspect, signal: stopped.signal };
  const image = await (values.real ? generate(options) : generateOnLoopback(options));
  await writeFile(OUTPUT, image.png);
  progress.end();
  report(image);
} catch (error) {
  progress.end();
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** Runs the real CLI against a backend on this machine that draws the prompt's words. */
async function generateOnLoopback(options: GenerateOptions): Promise<GeneratedImage> {
  console.log(
    `Codex CLI ${NEWEST} is real, and so is everything this package does. OpenAI is not: a stand-in on 127.0.0.1\n` +
      'plays the model, so this needs no account, costs nothing, and its picture is a pattern made from the prompt.\n' +
      `For a real picture with your own Codex login: npm run demo -- --real "${prompt}"\n`,
  );
  progress.show(`Installing Codex ${NEWEST} from npm, unless it is there already`);
  const cli = await installCodex(NEWEST);
  const backend = await startBackend([
    think(800),
    draw({ ms: 1500, prompt: briefOf, image: (brief) => drawPrompt(brief, values.aspect) }),
    copy(),
    talk(4000),
  ]);
  try {
    const home = await backend.home();
    const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...home.env };
    return await generate({ ...options, codexPath: cli.binary, env });
  } finally {
    await backend.close();
  }
}

async function generate(options: GenerateOptions): Promise<GeneratedImage> {
  return generateCodexImageDetailed(options, (message) => progress.show(message));
}

function report({ width, height, png, source, timings, codexVersion }: GeneratedImage): void {
  const seconds = (timings.totalMs / 1000).toFixed(2);
  console.log(`file     ${path.relative(process.cwd(), OUTPUT)}`);
  console.log(`pixels   ${width} × ${height}, ${(png.length / 1e6).toFixed(2)} MB`);
  console.log(`source   ${source}${codexVersion === undefined ? '' : `, Codex ${codexVersion}`}`);
  console.log(`seconds  ${seconds}`);
}

/** One line that changes on a terminal; a line a message elsewhere. */
function progressLine() {
  const began = performance.now();
  const { isTTY, columns = 80 } = process.stdout;
  let message = '';
  const text = () => `${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${message}`;
  const paint = () => process.stdout.write(`\r\u001B[2K${text().slice(0, columns - 1)}`);
  const timer = isTTY ? setInterval(paint, 100).unref() : undefined;
  return {
    show(next: string) {
      message = next;
      if (isTTY) paint();
      else console.log(text());
    },
    end() {
      clearInterval(timer);
      if (isTTY) process.stdout.write('\r\u001B[2K');
    },
  };
}
