// What is published besides this repository's own code: the crates that are linked into the addon,
// and the npm modules that are bundled into `dist/`.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';

import { buildDist, root, UserError } from './bootstrap.mjs';

/**
 * A crate or an npm module.
 *
 * @typedef {object} Component
 * @property {'cargo' | 'npm'} registry
 * @property {string} name
 * @property {string} version
 * @property {string} licence as its manifest names it, by SPDX
 * @property {string} repository
 * @property {string} directory of its sources
 */

/**
 * The output of `cargo metadata`, as far as it is used.
 *
 * @typedef {object} Metadata
 * @property {{
 *   id: string,
 *   name: string,
 *   version: string,
 *   license: string | null,
 *   repository: string | null,
 *   manifest_path: string,
 * }[]} packages
 * @property {{
 *   root: string,
 *   nodes: { id: string, deps: { pkg: string, dep_kinds: { kind: string | null }[] }[] }[],
 * }} resolve
 */

/** `tsdown.config.mts` writes one list for each of its bundles. */
export const BUNDLED = path.join(root, '.cache', 'bundled');

/** Every component of the nine packages, by registry and name. Builds `dist/`. */
export async function components() {
  // Of a bundle that is no more, too.
  rmSync(BUNDLED, { recursive: true, force: true });
  await buildDist();
  return [...linkedCrates(), ...bundledModules()];
}

/**
 * The crates of the addon for any published target, without those of tests and build scripts, as
 * `cargo auditable` counts them: procedural macros, whose output is compiled, and a few crates that
 * only a feature of a test's dependency asks for.
 *
 * @returns {Component[]}
 */
export function linkedCrates() {
  const { napi } = readJson(path.join(root, 'package.json'));
  /** @type {Map<string, Component>} */
  const found = new Map();
  for (const target of napi.targets) {
    const options = ['--locked', '--format-version', '1', '--filter-platform', target];
    const output = execFileSync('cargo', ['metadata', ...options], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    const { packages, resolve } = /** @type {Metadata} */ (JSON.parse(output));
    const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
    const linked = new Set([resolve.root]);
    // A set also visits what is added on the way.
    for (const id of linked) {
      for (const { pkg, dep_kinds } of nodes.get(id)?.deps ?? []) {
        if (dep_kinds.some(({ kind }) => kind === null)) linked.add(pkg);
      }
    }
    linked.delete(resolve.root);
    for (const { id, name, version, license, repository, manifest_path } of packages) {
      if (!linked.has(id)) continue;
      found.set(id, {
        registry: 'cargo',
        name,
        version,
        licence: license ?? '',
        repository: repository ?? '',
        directory: path.dirname(manifest_path),
      });
    }
  }
  return [...found.values()].toSorted(byName);
}

/**
 * The npm modules of which the bundler kept some code, and those that are bundled into such a
 * module's own files. Its bundler marks them with comments.
 *
 * @returns {Component[]}
 */
function bundledModules() {
  const files = readdirSync(BUNDLED).flatMap((name) => readJson(path.join(BUNDLED, name)));
  /** @type {Map<string, Component>} */
  const found = new Map();
  for (const file of files.map((/** @type {string} */ id) => id.replaceAll('\\', '/'))) {
    const directory = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? file;
    const module = componentIn(directory);
    found.set(directory, module);
    const inner = /#region .*@([\w.-]+)\/node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\//g;
    for (const [, version = '', name = ''] of readFileSync(file, 'utf8').matchAll(inner)) {
      const installed = path.join(root, 'node_modules', name);
      if (!existsSync(installed)) {
        throw new UserError(
          `${module.name} contains ${name} ${version}: its licence is needed. Run: ` +
            `npm install --save-dev ${name}@${version}`,
        );
      }
      found.set(`${name}@${version}`, { ...componentIn(installed), version });
    }
  }
  return [...found.values()].toSorted(byName);
}

/**
 * @param {string} directory
 * @returns {Component}
 */
function componentIn(directory) {
  const { name, version, license, repository } = readJson(path.join(directory, 'package.json'));
  const url = repository?.url ?? repository ?? '';
  return { registry: 'npm', name, version, licence: license ?? '', repository: url, directory };
}

/**
 * @param {Component} a
 * @param {Component} b
 */
function byName(a, b) {
  const order = (/** @type {Component} */ { name, version }) => `${name} ${version}`;
  return order(a) < order(b) ? -1 : 1;
}

/** @param {string} file */
function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}
