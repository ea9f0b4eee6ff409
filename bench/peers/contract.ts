// The task of a peer, and what the peers share: the prompt, a workspace, and finding the image.

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';

export interface Order {
  prompt: string;
  /** The native program of the CLI. */
  codexPath: string;
  env: Record<string, string>;
  onProgress?: (message: string) => void;
}

/** Draws one image and resolves with the bytes of its file. */
export type Peer = (order: Order) => Promise<Buffer>;

/** Runs `work` in a new directory, and removes it afterwards. */
export async function inWorkspace<T>(
  { env }: Order,
  work: (workspace: string) => Promise<T>,
): Promise<T> {
  const workspace = await mkdtemp(path.join(env['TMPDIR'] ?? '/tmp', 'codex-image-peer-'));
  try {
    return await work(workspace);
  } finally {
    await rm(workspace, { recursive: true, force: true });
  }
}

/** Where the prompt asks for a copy of the image. */
export function copyPath(workspace: string): string {
  return path.join(workspace, 'od-codex-image.png');
}

export function promptFor({ prompt }: Order, workspace: string): string {
  return [
    'Draw one picture with your built-in image_gen tool, with an aspect ratio of 1:1.',
    `Copy the PNG file that it saved, unchanged, to exactly this path:\n${copyPath(workspace)}`,
    'Reply with that path and nothing else.',
    `<brief>\n${prompt}\n</brief>`,
  ].join('\n\n');
}

/** Reads the file that the prompt asked for, else the newest one in Codex's store of the thread. */
export async function readImage(
  { env }: Order,
  workspace: string,
  thread: string | null | undefined,
): Promise<Buffer> {
  const copy = await readFile(copyPath(workspace)).catch(unlessMissing);
  const png = copy ?? (thread ? await newest(storeOf(env, thread)) : undefined);
  if (png === undefined) throw new Error('Codex left no image');
  if (!png.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new Error('this is no PNG file');
  return png;
}

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

function storeOf(env: Order['env'], thread: string): string {
  const home = env['CODEX_HOME'] ?? path.join(env['HOME'] ?? '', '.codex');
  return path.join(home, 'generated_images', thread);
}

async function newest(store: string): Promise<Buffer | undefined> {
  const names = (await readdir(store).catch(unlessMissing)) ?? [];
  const files = await Promise.all(
    names.map(async (name) => {
      const file = path.join(store, name);
      return { file, modified: (await stat(file)).mtimeMs };
    }),
  );
  const last = files.toSorted((a, b) => a.modified - b.modified).at(-1);
  return last && readFile(last.file);
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
