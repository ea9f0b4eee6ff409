// Open Design's daemon and web app with the edits of docs/open-design.md. `upstream/` states the
// code that is edited: written from its contract, at its own paths, with each place marked `@edit
// NAME`.
//
// A block of the document names its target: a file and a place in it, or a new file.

import { randomUUID } from 'node:crypto';
import { cp, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const UPSTREAM = fileURLToPath(new URL('../upstream', import.meta.url));
const DOCUMENT = path.join(ROOT, 'docs', 'open-design.md');

export interface Block {
  /** Relative to Open Design's root, with slashes. */
  file: string;
  /** Undefined for a new file. */
  place: string | undefined;
  code: string;
}

/** Returns the blocks of the document that name a file, in order. */
export async function readBlocks(): Promise<Block[]> {
  const text = await readFile(DOCUMENT, 'utf8');
  const fenced = /^```(?:ts|tsx) ([^\s#]+)(?:#(\S+))?\n(.*?)^```$/gms;
  return [...text.matchAll(fenced)].map(([, file = '', place, code = '']) => ({
    file,
    place,
    code,
  }));
}

/** Writes the edited sources into a new directory, with `codexImage` installed in it. */
export async function compose(
  blocks: readonly Block[],
  { codexImage = ROOT }: { codexImage?: string | null } = {},
): Promise<string> {
  const directory = path.join(ROOT, '.cache', 'open-design', randomUUID());
  await cp(UPSTREAM, directory, { recursive: true });
  for (const { file, place, code } of blocks) {
    const target = path.join(directory, file);
    const edited = place === undefined ? code : insert(await readFile(target, 'utf8'), place, code);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, edited);
  }
  await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }');
  await mkdir(path.join(directory, 'node_modules'));
  if (codexImage !== null) {
    // A junction needs no privilege on Windows.
    await symlink(codexImage, path.join(directory, 'node_modules', 'codex-image'), 'junction');
  }
  return directory;
}

export async function discard(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}

function insert(source: string, place: string, code: string): string {
  const marker = new RegExp(`^.*@edit ${place}\\b.*\n`, 'm');
  if (!marker.test(source)) throw new Error(`there is no place for an edit called ${place}`);
  return source.replace(marker, () => code);
}

/** Returns the errors of TypeScript in a composed directory, for one part of Open Design. */
export function typeErrors(
  directory: string,
  part: 'apps/daemon' | 'apps/web' | 'tools/pack',
): string[] {
  const web = part === 'apps/web';
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: web ? ['lib.es2022.d.ts', 'lib.dom.d.ts'] : ['lib.es2022.d.ts'],
    module: web ? ts.ModuleKind.ESNext : ts.ModuleKind.NodeNext,
    moduleResolution: web ? ts.ModuleResolutionKind.Bundler : ts.ModuleResolutionKind.NodeNext,
    ...(web && { jsx: ts.JsxEmit.Preserve }),
    types: web ? [] : ['node'],
    typeRoots: [path.join(ROOT, 'node_modules', '@types')],
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    noUnusedLocals: true,
    isolatedModules: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const files = ts.sys.readDirectory(path.join(directory, part), ['.ts', '.tsx']);
  const program = ts.createProgram(files, options);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const line = file && ts.getLineAndCharacterOfPosition(file, start).line + 1;
    const where = file && path.relative(directory, file.fileName);
    return `${where}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

/** Compiles the daemon's `src` into its `dist`, as its own build does. */
export async function buildDaemon(directory: string): Promise<void> {
  const daemon = path.join(directory, 'apps', 'daemon');
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
  for (const file of ts.sys.readDirectory(path.join(daemon, 'src'), ['.ts'])) {
    const { outputText } = ts.transpileModule(await readFile(file, 'utf8'), { compilerOptions });
    const relative = path.relative(path.join(daemon, 'src'), file).replace(/\.ts$/, '.js');
    const built = path.join(daemon, 'dist', relative);
    await mkdir(path.dirname(built), { recursive: true });
    await writeFile(built, outputText);
  }
}

/** Returns the places of `upstream/`, as blocks name them. */
export async function places(): Promise<string[]> {
  const files = ts.sys.readDirectory(UPSTREAM, ['.ts', '.tsx']);
  const found = files.map(async (file) => {
    const name = path.relative(UPSTREAM, file).split(path.sep).join('/');
    const markers = (await readFile(file, 'utf8')).matchAll(/@edit (\w+)/g);
    return [...markers].map(([, place]) => `${name}#${place}`);
  });
  return (await Promise.all(found)).flat();
}
