// `npm run notices`: writes THIRD-PARTY-NOTICES.txt, which is in all nine packages: the licences of
// everything in them that is not this repository's, each as its authors ship it.
// cargo-about would be built from source, and knows nothing of the bundled npm modules.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { ensureDependencies, main, root, UserError } from './bootstrap.mjs';
import { components } from './inventory.mjs';

/** @import { Component } from './inventory.mjs' */

export const NOTICES = 'THIRD-PARTY-NOTICES.txt';

/** The crates of napi-rs ship no licence. Its npm package of the same repository does. */
const ELSEWHERE = new Map([['https://github.com/napi-rs/napi-rs', 'node_modules/@napi-rs/cli']]);

const LICENCE_FILE = /^(?:un)?licen[cs]e|^copying|^copyright|^notice/i;
const RULE = '─'.repeat(80);

/** What the packages contain, with its licences. A text that many share is there once. */
export async function notices() {
  const all = await components();
  /** @type {Map<string, { text: string, users: string[] }>} */
  const texts = new Map();
  for (const component of all) {
    for (const text of licences(component)) {
      const key = text.replaceAll(/\s+/g, ' ');
      const known = texts.get(key);
      if (known === undefined) texts.set(key, { text, users: [nameOf(component)] });
      else known.users.push(nameOf(component));
    }
  }
  const list = all.map((component) => `  ${nameOf(component)} (${component.licence})`);
  const sections = [...texts.values()].map(({ text, users }) => `${users.join(', ')}\n\n${text}`);
  const std = readFileSync(path.join(root, 'scripts', 'rust-std.txt'), 'utf8').trim();
  return `${[
    'codex-image contains the following third-party software, each part under the licence named\n' +
      'beside it. Their texts follow. Crates are linked into the addon of at least one platform;\n' +
      'npm modules are bundled into dist/.\n\n' +
      list.join('\n'),
    `Rust's standard library\n\n${std}`,
    ...sections,
  ].join(`\n\n${RULE}\n\n`)}\n`;
}

/** @param {Component} component */
export function nameOf({ registry, name, version }) {
  return `${registry === 'cargo' ? 'crate' : 'npm module'} ${name} ${version}`;
}

/**
 * The texts that a component ships.
 *
 * @param {Component} component
 */
function licences(component) {
  if (component.licence === '') throw new UserError(`${nameOf(component)} names no licence.`);
  const own = licencesIn(component.directory);
  const elsewhere = ELSEWHERE.get(component.repository);
  const texts =
    own.length > 0 || elsewhere === undefined ? own : licencesIn(path.join(root, elsewhere));
  if (texts.length === 0) {
    throw new UserError(
      `${nameOf(component)} ships no licence: add where it is to ELSEWHERE in scripts/notices.mjs.`,
    );
  }
  return texts;
}

/** @param {string} directory */
function licencesIn(directory) {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile() && LICENCE_FILE.test(entry.name))
    .map(({ name }) => name)
    .toSorted()
    .map((name) => readFileSync(path.join(directory, name), 'utf8'))
    .map((text) => text.replaceAll(/[^\S\n]+$/gm, '').replace(/^\n+|\n+$/g, ''));
}

/** Fails if the committed file is not what would be written now. */
export async function assertNotices() {
  const committed = readFileSync(path.join(root, NOTICES), 'utf8');
  if (committed !== (await notices())) {
    throw new UserError(`${NOTICES} is not that of these dependencies. Run: npm run notices`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(async () => {
    await ensureDependencies();
    writeFileSync(path.join(root, NOTICES), await notices());
  });
}
