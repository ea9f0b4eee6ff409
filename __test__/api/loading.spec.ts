// A package whose addon is missing or cannot be loaded: one error, with the reason and the fix.
// `npm run pack:check` has the same with package managers.

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, test as base } from 'vitest';

import { installCommand } from '../../loader/installer.js';
import { notInstalled, refused, unsupported } from '../../loader/load-error.js';
import { platformOf } from '../../loader/platform.js';
import { PLATFORMS } from '../pack/release.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NAME = `codex-image-${platformOf(process)}`;
const FILE = `codex-image.${platformOf(process)}.node`;
const VERSION = '0.1.0';

/** A project with a `node_modules` that holds this package, without an addon. */
class Project {
  constructor(readonly directory: string) {}

  get modules(): string {
    return path.join(this.directory, 'node_modules');
  }

  async install(): Promise<void> {
    const home = path.join(this.modules, 'codex-image');
    await cp(path.join(root, 'loader'), path.join(home, 'loader'), { recursive: true });
    await cp(path.join(root, 'index.js'), path.join(home, 'index.js'));
    const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
    // As a release makes it.
    const optionalDependencies = { 'codex-image-aix-ppc64': VERSION, [NAME]: VERSION };
    const released = { ...manifest, version: VERSION, optionalDependencies };
    await writeFile(path.join(home, 'package.json'), JSON.stringify(released));
  }

  /** Adds the package of a platform. */
  async add(name: string, { version = VERSION, addon = '' } = {}): Promise<void> {
    const home = path.join(this.modules, name);
    await mkdir(home);
    const manifest = { name, version, main: FILE };
    await writeFile(path.join(home, 'package.json'), JSON.stringify(manifest));
    if (addon === '') await writeFile(path.join(home, FILE), 'for another system');
    else await cp(addon, path.join(home, FILE));
  }

  /** Returns what loading the package throws. */
  async load(how: 'import' | 'require'): Promise<Record<string, unknown>> {
    const step = how === 'import' ? "await import('codex-image')" : "require('codex-image')";
    const program = `(async () => {
      try { console.log(JSON.stringify({ loaded: Object.keys(${step}) })); } catch (error) {
        const head = error.stack.split('\\n', 1)[0];
        console.log(JSON.stringify({ ...error.toJSON(), head, cause: error.cause?.code }));
      }
    })()`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program], {
      cwd: this.directory,
    });
    return JSON.parse(stdout);
  }
}

const test = base.extend<{ project: Project }>({
  // oxlint-disable-next-line no-empty-pattern
  project: async ({}, use) => {
    const project = new Project(await mkdtemp(path.join(tmpdir(), 'codex-image-loading-')));
    await project.install();
    await use(project);
    await rm(project.directory, { recursive: true });
  },
});

/** The members of every such error. */
const told = (problem: string, fix: string) => ({
  name: 'CodexImageError',
  message: `${problem} ${fix}`,
  head: `CodexImageError: ${problem} ${fix}`,
  code: 'CODEX_IMAGE_ADDON_UNAVAILABLE',
  status: 424,
  retryable: false,
  problem,
  fix,
});

describe.each(['import', 'require'] as const)('%s', (how) => {
  test('names the package that is not installed', async ({ project }) => {
    expect(await project.load(how)).toEqual(
      told(
        `The package ${NAME}, which codex-image needs here, is not installed: as an optional dependency, it was left out.`,
        'Install codex-image again, with its optional dependencies. If that does not help, your lock file or your registry lacks the package.',
      ),
    );
  });

  test('recognises node_modules of another system', async ({ project }) => {
    await writeFile(path.join(project.modules, '.package-lock.json'), '{}');
    await project.add('codex-image-aix-ppc64');
    expect(await project.load(how)).toEqual(
      told(
        `The package ${NAME}, which codex-image needs here, is not installed: node_modules comes from another system, with codex-image-aix-ppc64.`,
        'Run `npm install --include=optional` on this system.',
      ),
    );
  });

  test('refuses a package of another version', async ({ project }) => {
    await project.add(NAME, { version: '0.0.9', addon: path.join(root, FILE) });
    expect(await project.load(how)).toEqual(
      told(
        `The package ${NAME} has version 0.0.9, but codex-image has version ${VERSION}.`,
        'Install codex-image again, with its optional dependencies.',
      ),
    );
  });

  test('quotes the system about an addon that it cannot load', async ({ project }) => {
    await project.add(NAME);
    const { problem, detail, cause, ...error } = await project.load(how);
    expect(problem).toMatch(new RegExp(`^The addon ${FILE} cannot be loaded: [^/\\\\]+\\.$`));
    expect(error).toMatchObject({
      message: `${String(problem)} ${String(error['fix'])}`,
      fix: 'Install codex-image again. If that does not help, report this.',
    });
    // For logs, with the path.
    expect(detail).toContain(project.modules);
    expect(cause).toBe('ERR_DLOPEN_FAILED');
  });

  test('loads the package of the same version', async ({ project }) => {
    await project.add(NAME, { addon: path.join(root, FILE) });
    expect(await project.load(how)).toMatchObject({
      loaded: expect.arrayContaining(['generateCodexImage']),
    });
  });
});

describe('the platform', () => {
  const GLIBC = '7f01-7f02 r-xp 00000000 fe:00 1234   /usr/lib/x86_64-linux-gnu/libc.so.6\n';
  const OLD_GLIBC = '7f01-7f02 r-xp 00000000 fe:00 1234   /lib/x86_64-linux-gnu/libc-2.17.so\n';
  const ALPINE = '7f01-7f02 r-xp 00000000 fe:00 1234   /lib/ld-musl-x86_64.so.1\n';
  const OTHER_MUSL = '7f01-7f02 r-xp 00000000 fe:00 1234   /usr/lib/libc.so\n';

  test.for([
    ['linux', 'x64', GLIBC, 'linux-x64-gnu'],
    ['linux', 'x64', OLD_GLIBC, 'linux-x64-gnu'],
    ['linux', 'arm64', ALPINE, 'linux-arm64-musl'],
    ['linux', 'x64', OTHER_MUSL, 'linux-x64-musl'],
    ['darwin', 'arm64', '', 'darwin-arm64'],
    ['win32', 'x64', '', 'win32-x64-msvc'],
    ['freebsd', 'x64', '', 'freebsd-x64'],
  ] as const)('of %s on %s is recognised', ([platform, arch, maps, expected]) => {
    expect(platformOf({ platform, arch }, () => maps)).toBe(expected);
  });

  test('has a package that the loader requires by its whole name', async () => {
    const loader = await readFile(path.join(root, 'loader', 'addon.js'), 'utf8');
    const cases = loader.matchAll(
      /case '(.+)':\n.*\(require\('codex-image-\1\/package\.json'\)\).*\n.*return require\('codex-image-\1'\);/g,
    );
    const names = [...cases].map(([, name]) => name);
    expect(names).toEqual(Object.keys(PLATFORMS));
    expect(loader.match(/case '/g)).toHaveLength(names.length);
  });

  test('without an addon is named', () => {
    expect(unsupported('freebsd-x64')).toEqual({
      problem: 'codex-image has no addon for freebsd-x64.',
      fix: 'It runs on Linux, macOS and Windows, on x64 and arm64.',
    });
  });
});

describe('the fix', () => {
  test.for([
    ['.package-lock.json', 'npm install --include=optional'],
    ['.modules.yaml', 'pnpm install --optional'],
    ['.yarn-integrity', 'yarn install --force'],
    ['.yarn-state.yml', 'yarn install'],
    ['.bun', 'bun install'],
    ['../bun.lock', 'bun install'],
    ['.deno', 'deno install'],
  ] as const)('of node_modules with %s is `%s`', async ([mark, command], { project }) => {
    await writeFile(path.join(project.modules, mark), '');
    const nested = ['.store', 'codex-image@0.1.0', 'node_modules', 'codex-image', 'loader'];
    expect(installCommand(path.join(project.modules, ...nested))).toBe(command);
  });

  test("of Yarn's Plug'n'Play, which has no node_modules, is `yarn install`", ({ project }) => {
    const versions = { ...process.versions, pnp: '3' };
    expect(installCommand(project.directory, versions)).toBe('yarn install');
  });

  test('of anything else names no command', ({ project }) => {
    expect(installCommand(project.modules)).toBeUndefined();
  });
});

test('an unsupported Node is the reason, since package managers skip the addon for it', () => {
  const facts = { node: '18.20.8', range: '>=20', others: [], command: 'yarn install' };
  expect(notInstalled('codex-image-linux-x64-gnu', facts)).toEqual({
    problem:
      'The package codex-image-linux-x64-gnu, which codex-image needs here, is not installed: it needs Node 20 or newer, and this is Node 18.20.8.',
    fix: 'Update Node. Run `yarn install`.',
  });
});

// What the systems print: reported by users of other addons.
describe('a refusal', () => {
  const SAC = String.raw`\\?\D:\Program Files\App\node_modules\codex-image-win32-x64-msvc\codex-image.win32-x64-msvc.node`;
  const MAC =
    '/Applications/My App.app/Contents/node_modules/codex-image-darwin-arm64/codex-image.darwin-arm64.node';
  const mac = (reason: string) =>
    `dlopen(${MAC}, 0x0001): tried: '${MAC}' (${reason}), '/System/Volumes/Preboot/Cryptexes/OS${MAC}' (no such file)`;
  const code = `code signature in <7EF45311-6401-30DF-9286-BBC9668E67F3> '${MAC}'`;
  const signed =
    'not valid for use in process: mapping process and mapped file (non-platform) have different Team IDs';
  const adhoc =
    'not valid for use in process: mapped file has no Team ID and is not a platform binary (signed with custom identity or adhoc?)';

  test.for([
    [
      'win32',
      `An Application Control policy has blocked this file.\r\n${SAC}`,
      'Windows has blocked',
      'Sign the file',
    ],
    [
      'win32',
      `An app control policy blocked this file.\r\n${SAC}`,
      'Windows has blocked',
      'Sign the file',
    ],
    ['darwin', mac(`${code} ${signed}`), 'library validation', 'disable-library-validation'],
    ['darwin', mac(`${code} ${adhoc}`), 'library validation', 'disable-library-validation'],
    [
      'darwin',
      mac('library load disallowed by system policy'),
      'not notarised',
      'Privacy & Security',
    ],
    [
      'linux',
      `Requires ffi access to "/p/codex-image.linux-x64-gnu.node", run again with the --allow-ffi flag`,
      'Deno does not allow',
      '--allow-ffi',
    ],
  ] as const)('of %s is explained: %s', ([platform, words, problem, fix]) => {
    const reason = refused('x.node', new Error(words), platform);
    expect(reason).toEqual({
      problem: expect.stringContaining(problem),
      fix: expect.stringContaining(fix),
    });
    expect(reason.problem).toMatch(/^[^/\\]+\.$/);
  });

  test.for([
    [
      'linux',
      "/lib64/libc.so.6: version `GLIBC_2.38' not found (required by /srv/my app/x.node)",
      "libc.so.6: version `GLIBC_2.38' not found (required by my x.node)",
    ],
    [
      'win32',
      `The specified module could not be found.\r\n${SAC}`,
      'The specified module could not be found',
    ],
    [
      'win32',
      `%1 is not a valid Win32 application.\r\n${SAC}`,
      '%1 is not a valid Win32 application',
    ],
    [
      'darwin',
      mac('slice is not valid mach-o file'),
      'dlopen(My codex-image.darwin-arm64.node, 0x0001)',
    ],
  ] as const)(
    'of %s that is not known keeps its words, without paths',
    ([platform, words, kept]) => {
      const { problem } = refused('x.node', new Error(words), platform);
      expect(problem).toContain(`The addon x.node cannot be loaded: ${kept}`);
      expect(problem).toMatch(/^[^/\\]+\.$/);
    },
  );
});
