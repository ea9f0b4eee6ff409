// Reads docs/using-it-with.md: the files, the commands, the options and the versions that it shows.

import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { root } from './release.js';

export const PAGE = 'docs/using-it-with.md';

export interface Page {
  text: string;
  /** By name: each block of code is the file that the paragraph before it names. */
  files: ReadonlyMap<string, string>;
  /** By heading: the block of shell commands below it. */
  commands: ReadonlyMap<string, string>;
  /** By bundler: the option in its row of the table. */
  options: ReadonlyMap<string, string>;
  /** What the recipes need, such as `next@16.4.6`. */
  packages: readonly string[];
}

export async function readPage(): Promise<Page> {
  const text = await readFile(path.join(root, PAGE), 'utf8');
  const files = new Map<string, string>();
  const commands = new Map<string, string>();
  for (const section of text.split(/^## /m)) {
    const [heading = ''] = section.split('\n', 1);
    for (const [, before = '', language, block = ''] of section.matchAll(BLOCK)) {
      const [, name] = /`([\w./-]+\.(?:[cm]?js|json))`/.exec(before) ?? [];
      if (language === 'sh') add(commands, heading, block);
      else if (name === undefined) throw new Error(`A block below “${heading}” has no file name.`);
      else add(files, name, block);
    }
  }
  const options = new Map<string, string>();
  for (const [, bundler = '', option = ''] of text.matchAll(ROW)) add(options, bundler, option);
  const packages = [...text.matchAll(PACKAGE)].map(([, spec = '']) => spec);
  return { text, files, commands, options, packages };
}

/** The paragraph before a block, the block's language, and the block. */
const BLOCK = /(?:^|\n\n)((?:(?!```).+\n)+)\n```(\w+)\n([^]*?)^```$/gm;
const PACKAGE = /`((?:@[\w-]+\/)?[\w-]+@\d+\.\d+\.\d+[\w.-]*)`/g;
/** A row of the table of bundlers. */
const ROW = /^\| `((?:@[\w-]+\/)?[\w-]+)@[\d.]+` +\| `(.+?)` +\|$/gm;

function add(map: Map<string, string>, key: string, value: string): void {
  if (map.has(key)) throw new Error(`${PAGE} has “${key}” twice.`);
  map.set(key, value);
}
