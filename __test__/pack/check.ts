// `npm run pack:check`: checks what a release would publish, as installed.

import { deepEqual, equal, match, notEqual } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { cratesIn } from '../../scripts/binaries.mjs';
import { tool } from '../../scripts/bootstrap.mjs';
import { NOTICES } from '../../scripts/notices.mjs';
import { installCodex, NEWEST } from '../support/real/codex-cli.js';
import { Consumer, DrawingStub } from './consumers.js';
import { ends } from './ends.js';
import { installers } from './installers.js';
import { recipes } from './recipes.js';
import { type Published, Registry } from './registry.js';
import { host, npmEnvironment, PLATFORMS, release, root, work } from './release.js';
import { fetchNode, fetchRuntimes, USUAL_NODE } from './tools.js';

const run = promisify(execFile);
const NAME = 'codex-image';
/** Scripts that npm would run when the package is installed. */
const INSTALL_SCRIPTS = new Set(['preinstall', 'install', 'postinstall', 'prepare']);
const FILES = [
  'BENCHMARKS.md',
  'CHANGELOG.md',
  'COMPATIBILITY.md',
  'CONTRIBUTING.md',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'SOAK.md',
  NOTICES,
  'dist/cli.mjs',
  'dist/demo-backend.mjs',
  'dist/mcp.mjs',
  'dist/models.d.mts',
  'dist/models.d.ts',
  'dist/models.js',
  'dist/models.mjs',
  'dist/open-design.d.mts',
  'dist/open-design.d.ts',
  'dist/open-design.js',
  'dist/open-design.mjs',
  'dist/sixel.mjs',
  'index.d.ts',
  'index.js',
  'loader/addon.js',
  'loader/installer.js',
  'loader/load-error.js',
  'loader/platform.js',
  'package.json',
];
/** Besides these, every page of docs/ and its pictures. */
const DOCUMENT = /^docs\/.*\.(?:md|png)$/;
const IDS = ['codex-cli', 'codex-image-gen'];

const failures: string[] = [];
let passed = 0;

/** A row of a table: the check, and its result in each column. */
type Row = [what: string, ...cells: string[]];

/** Makes one check. A failure is printed at the end, and the other checks go on. */
async function check(what: string, body: () => Promise<void>): Promise<string> {
  try {
    await body();
    passed += 1;
    return 'ok';
  } catch (error) {
    failures.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    return 'FAILED';
  }
}

// ── The packages ────────────────────────────────────────────────────────────────────────────────

async function checkPackages(packages: ReadonlyMap<string, Published>): Promise<Row[]> {
  const platforms = Object.keys(PLATFORMS).map((platform) => `${NAME}-${platform}`);
  const manifestOf = (name: string) => {
    const found = packages.get(name);
    if (found === undefined) throw new Error(`${name} was not published`);
    return found.manifest;
  };
  const { version, engines } = manifestOf(NAME);

  const checks: Record<string, () => Promise<void>> = {
    'the platform packages come first': async () => {
      deepEqual([...packages.keys()].toSorted(), [NAME, ...platforms].toSorted());
      equal([...packages.keys()].at(-1), NAME);
    },
    'each is for its platform alone': async () => {
      for (const [platform, only] of Object.entries(PLATFORMS)) {
        const { os, cpu, libc, ...rest } = manifestOf(`${NAME}-${platform}`);
        deepEqual({ os, cpu, ...(libc === undefined ? {} : { libc }) }, only);
        deepEqual([rest.version, rest.engines], [version, engines]);
      }
    },
    'the package needs exactly these versions of them': async () => {
      const { optionalDependencies } = manifestOf(NAME);
      deepEqual(optionalDependencies, Object.fromEntries(platforms.map((name) => [name, version])));
    },
    'each leads to the repository': async () => {
      for (const { manifest } of packages.values()) {
        const repository = /^git\+(https:\/\/.*)\.git$/.exec(manifest.repository?.url ?? '')?.[1];
        equal(manifest.homepage, `${repository}#readme`, manifest.name);
        equal(manifest.bugs?.url, `${repository}/issues`, manifest.name);
      }
    },
    'nothing runs when they are installed': async () => {
      for (const { manifest } of packages.values()) {
        const scripts = Object.keys(manifest.scripts ?? {});
        deepEqual(
          scripts.filter((name) => INSTALL_SCRIPTS.has(name)),
          [],
          manifest.name,
        );
      }
    },
    'they hold these files and no others': async () => {
      for (const [name, { tarball }] of packages) {
        const platform = name.slice(`${NAME}-`.length);
        const addon = [
          `codex-image.${platform}.node`,
          'LICENSE',
          'README.md',
          NOTICES,
          'package.json',
        ];
        const files = (await filesOf(tarball)).filter((file) => !DOCUMENT.test(file));
        deepEqual(files, name === NAME ? FILES : addon.toSorted(), name);
      }
    },
    'each holds the notices of third parties': async () => {
      const notices = await readFile(path.join(root, NOTICES), 'utf8');
      for (const [name, { tarball }] of packages) {
        equal((await fileIn(tarball, NOTICES)).toString(), notices, name);
      }
    },
    'the notices and the SBOM name each crate that the addon lists': async () => {
      const file = path.join(work, `codex-image.${host}.node`);
      const tarball = packages.get(`${NAME}-${host}`)?.tarball ?? Buffer.alloc(0);
      await writeFile(file, await fileIn(tarball, path.basename(file)));
      const listed = cratesIn(file);
      notEqual(listed.length, 0);
      const notices = await readFile(path.join(root, NOTICES), 'utf8');
      await run(process.execPath, ['scripts/release.mjs', 'sbom'], { cwd: root });
      const sbom = await readFile(path.join(root, 'packages', `${NAME}.cdx.json`), 'utf8');
      const { components } = JSON.parse(sbom) as { components: { purl: string }[] };
      const purls = new Set(components.map(({ purl }) => purl));
      deepEqual(
        listed.filter(
          (crate) =>
            !notices.includes(`\n  crate ${crate.name} ${crate.version} (`) ||
            !purls.has(`pkg:cargo/${crate.name}@${encodeURIComponent(crate.version)}`),
        ),
        [],
      );
    },
    'the links of README.md lead to files in it': async () => {
      const files = await filesOf(Buffer.from(packages.get(NAME)?.tarball ?? ''));
      const readme = await readFile(path.join(root, 'README.md'), 'utf8');
      const links = [...readme.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(
        ([, link = '']) => link,
      );
      notEqual(links.length, 0);
      deepEqual(
        links.filter((link) => !files.includes(link)),
        [],
      );
    },
    publint: async () => {
      await tool('publint', await keep(packages.get(NAME)), '--strict');
    },
    attw: async () => {
      const file = await keep(packages.get(NAME));
      await tool('@arethetypeswrong/cli', file);
    },
  };
  const rows: Row[] = [['Packages']];
  for (const [what, body] of Object.entries(checks)) rows.push([what, await check(what, body)]);
  return rows;
}

async function filesOf(tarball: Buffer): Promise<string[]> {
  const listing = run('tar', ['--list', '--gzip', '--file', '-']);
  listing.child.stdin?.end(tarball);
  const names = (await listing).stdout.trim().split('\n');
  return names.map((name) => name.replace(/^package\//, '')).toSorted();
}

async function fileIn(tarball: Buffer, name: string): Promise<Buffer> {
  const options = { encoding: 'buffer' as const, maxBuffer: 2 ** 26 };
  const args = ['--extract', '--to-stdout', '--gzip', '--file', '-', `package/${name}`];
  const extraction = run('tar', args, options);
  extraction.child.stdin?.end(tarball);
  return (await extraction).stdout;
}

async function keep(published: Published | undefined): Promise<string> {
  if (published === undefined) throw new Error(`${NAME} was not published`);
  const file = path.join(work, 'codex-image.tgz');
  await writeFile(file, published.tarball);
  return file;
}

// ── Those who install them ──────────────────────────────────────────────────────────────────────

async function checkConsumers(
  env: NodeJS.ProcessEnv,
  stub: DrawingStub,
  directory: string,
): Promise<Row[]> {
  const runtimes = await fetchRuntimes();
  const rows = new Map<string, Row>();
  for (const [column, runtime] of runtimes.entries()) {
    const { title } = runtime;
    const project = (name: string) =>
      new Consumer(path.join(directory, name), runtime, registry.origin, env);
    for (const [what, body] of Object.entries(
      uses(project(title), project(`${title}, bare`), stub),
    )) {
      const row: Row = rows.get(what) ?? [what, ...runtimes.map(() => '–')];
      row[column + 1] = await check(`${what}, ${title}`, body);
      rows.set(what, row);
    }
  }
  return [['Consumers', ...runtimes.map(({ title }) => title)], ...rows.values()];
}

/** Every way to use the package under one runtime. The first one prepares the others. */
function uses(
  whole: Consumer,
  bare: Consumer,
  stub: DrawingStub,
): Record<string, () => Promise<void>> {
  /** Asserts that a call returns the image and leaves nothing. */
  const draws = async (program: string): Promise<void> => {
    const printed = await whole.runs(program, stub.options);
    deepEqual(printed, { png: stub.picture.toString('base64'), ids: IDS });
    equal(stub.leftovers(), 0);
  };
  const { others } = whole.runtime;
  const needed = [NAME, `${NAME}-${host}`];
  return {
    'installs one addon': async () => {
      await whole.install();
      deepEqual(await whole.installed(), [...needed, ...(others?.superfluous ?? [])]);
    },
    ESM: () => draws('esm/main.mjs'),
    CommonJS: () => draws('commonjs/main.cjs'),
    TypeScript: async () => {
      // The others run TypeScript.
      if (others === undefined) await whole.compile();
      await draws(`typescript/main.${others === undefined ? 'mjs' : 'mts'}`);
    },
    'daemon, bundled': async () => {
      await whole.bundle();
      await draws('daemon.mjs');
    },
    'command line': async () => {
      const manifest = await whole.read(`node_modules/${NAME}/package.json`);
      const { version } = JSON.parse(manifest.toString());
      equal(await whole.command(stub.env, NAME, '--version'), `${version}\n`);
      const readiness = await whole.command(stub.env, NAME, '--check', '--json');
      equal(JSON.parse(readiness).ready, true, readiness);
      await whole.command(stub.env, NAME, 'a red fox', '--output', 'fox.png');
      deepEqual(await whole.read('fox.png'), stub.picture);
      equal(stub.leftovers(), 0);
    },
    ...ends(whole, stub, () => draws('esm/main.mjs')),
    ...(others === undefined ? usesOfNode(whole, bare, stub) : {}),
  };
}

/** What is tried under Node alone. */
function usesOfNode(
  whole: Consumer,
  bare: Consumer,
  stub: DrawingStub,
): Record<string, () => Promise<void>> {
  return {
    'demo backend': async () => {
      const name = `${NAME}-demo-backend`;
      match(await whole.command(stub.env, name, '--help'), /^Usage: codex-image-demo-backend$/m);
      equal(await whole.exitCode(stub.env, name, 'a red fox'), 64);
      const demo = await whole.startDemoBackend(stub.env);
      try {
        deepEqual(Object.keys(demo.env), ['CODEX_HOME', 'CODEX_CA_CERTIFICATE']);
        const { launcher } = await installCodex(NEWEST);
        const env = { ...stub.env, ...demo.env, CODEX_BIN: launcher };
        await whole.command(env, NAME, 'an orange cat', '--output', 'cat.png');
        equal((await whole.read('cat.png')).subarray(1, 4).toString(), 'PNG');
        equal(demo.lines.at(-1), 'Codex asks for: an orange cat');
      } finally {
        await demo.stop();
      }
      equal(demo.child.exitCode, 0);
      equal(existsSync(demo.env['CODEX_HOME'] ?? ''), false);
      equal(stub.leftovers(), 0);
    },
    'without the addon': async () => {
      await bare.install('--omit=optional');
      deepEqual(await bare.installed(), [NAME]);
      const printed = await bare.runs('without-addon/main.mjs');
      deepEqual(printed, { failure: 'CODEX_IMAGE_ADDON_UNAVAILABLE', ids: IDS });
    },
  };
}

// ── The recipes of docs/using-it-with.md ────────────────────────────────────────────────────────

async function checkRecipes(
  env: NodeJS.ProcessEnv,
  stub: DrawingStub,
  directory: string,
): Promise<Row[]> {
  const node = await fetchNode(USUAL_NODE);
  const rows: Row[] = [['Recipes', `Node ${USUAL_NODE}`]];
  const project = { directory: path.join(directory, 'recipes'), node, version: USUAL_NODE };
  const all = await recipes(project, env, stub);
  for (const [what, body] of Object.entries(all)) rows.push([what, await check(what, body)]);
  return rows;
}

// ── All of it ───────────────────────────────────────────────────────────────────────────────────

function print(table: readonly Row[]): void {
  const width = Math.max(...table.map(([what]) => what.length));
  console.log();
  for (const [what, ...cells] of table) {
    console.log([what.padEnd(width), ...cells.map((cell) => cell.padEnd(12))].join('  ').trimEnd());
  }
}

await mkdir(work, { recursive: true });
const registry = await Registry.start();
const stub = await DrawingStub.create();
// Outside of this repository, whose own dependencies would replace missing ones.
const elsewhere = await mkdtemp(path.join(tmpdir(), 'codex-image-pack-'));
try {
  const env = await npmEnvironment(registry);
  await release(env);
  print(await checkPackages(registry.packages));
  print(await checkConsumers(env, stub, elsewhere));
  const rows: Row[] = [['Installers']];
  for (const [what, body] of Object.entries(installers(elsewhere, registry.origin, env, stub)))
    rows.push([what, await check(what, body)]);
  print(rows);
  print(await checkRecipes(env, stub, elsewhere));
} finally {
  await rm(elsewhere, { recursive: true });
  await Promise.all([registry.close(), stub.close()]);
}
for (const failure of failures) console.log(`\n${failure}`);
console.log(`\n${passed} passed, ${failures.length} failed`);
if (failures.length > 0) process.exitCode = 1;
