// An addon is refused before it is packed if a clean system could not load it.

import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deflateSync } from 'node:zlib';

import { describe, expect, onTestFinished, test, vi } from 'vitest';

import { assertLoadable, cratesIn, PLACEHOLDER } from '../../scripts/binaries.mjs';
import { makeHomeDirectory } from '../support/homes.mjs';
import { WINDOWS } from '../support/platform.js';
import { PLATFORMS, root } from './release.js';

const UNALIGNED = 'unaligned.dylib';
const VCRUNTIME = 'vcruntime.dll';

/** The path of a file in `__test__/fixtures/binaries`, whose README.md says how it was built. */
function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/binaries/${name}`, import.meta.url));
}

function makeDirectory(): string {
  const directory = makeHomeDirectory();
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

/** A copy of a fixture with a change that does not move anything. */
async function changed(name: string, from: Buffer, to: Buffer): Promise<string> {
  const bytes = readFileSync(fixture(name));
  const at = bytes.indexOf(from);
  expect(at).toBeGreaterThan(0);
  expect(bytes.indexOf(from, at + 1)).toBe(-1);
  to.copy(bytes, at);
  const file = path.join(makeDirectory(), name);
  await writeFile(file, bytes);
  return file;
}

test('an addon that is no program is refused', () => {
  expect(() => assertLoadable(fileURLToPath(import.meta.url))).toThrow(/no ELF, Mach-O or PE file/);
});

describe('an addon for macOS', () => {
  test('is refused with an unaligned string table, and accepted with an aligned one', async () => {
    expect(() => assertLoadable(fixture(UNALIGNED))).toThrow(/string table that is not aligned/);
    const { symbols, aligned } = symbolTable();
    expect(() => assertLoadable(fixture(UNALIGNED))).toThrow(`(at ${symbols.readUInt32LE(16)})`);
    const file = await changed(UNALIGNED, symbols, aligned);
    expect(() => assertLoadable(file)).not.toThrow();
  });

  test('is refused if it needs a library that is not part of macOS', async () => {
    const name = Buffer.from('/usr/lib/libSystem.B.dylib');
    const file = await changed(UNALIGNED, name, Buffer.from('/opt/lib/libSystem.B.dylib'));
    expect(() => assertLoadable(file)).toThrow(/needs \/opt\/lib\/libSystem\.B\.dylib/);
  });
});

/** `LC_SYMTAB` of the fixture, and the same with the string table at a multiple of 8. */
function symbolTable(): { symbols: Buffer; aligned: Buffer } {
  const bytes = readFileSync(fixture(UNALIGNED));
  const at = bytes.indexOf(Buffer.from([2, 0, 0, 0, 24, 0, 0, 0]));
  const symbols = bytes.subarray(at, at + 24);
  const aligned = Buffer.from(symbols);
  aligned.writeUInt32LE(symbols.readUInt32LE(16) + 4, 16);
  return { symbols, aligned };
}

describe('an addon for Windows', () => {
  test('is refused if it needs VCRUNTIME140.dll, and accepted with DLLs of Windows', async () => {
    expect(() => assertLoadable(fixture(VCRUNTIME))).toThrow(/needs VCRUNTIME140\.dll,/);
    const file = await changed(
      VCRUNTIME,
      Buffer.from('VCRUNTIME140.dll'),
      Buffer.from('ADVAPI32.dll\0\0\0\0'),
    );
    expect(() => assertLoadable(file)).not.toThrow();
  });
});

// `readelf` is none of Windows' programs.
describe.skipIf(WINDOWS)('an addon for Linux', () => {
  /** Puts a `readelf` first on PATH that reports these needs. */
  async function needs(libraries: string[], versions: string[] = []): Promise<void> {
    const directory = makeDirectory();
    const readelf = path.join(directory, 'readelf');
    const lines = [
      ...libraries.map((name) => `echo ' 0x1 (NEEDED)  Shared library: [${name}]'`),
      ...versions.map((version) => `echo '  Name: GLIBC_${version}  Flags: none'`),
    ];
    await writeFile(readelf, `#!/bin/sh\n${lines.join('\n')}\n`);
    await chmod(readelf, 0o755);
    vi.stubEnv('PATH', [directory, process.env['PATH']].join(path.delimiter));
    onTestFinished(() => void vi.unstubAllEnvs());
  }

  /** A file of that name which begins as an ELF file does. */
  async function elf(name: string): Promise<string> {
    const file = path.join(makeDirectory(), name);
    await writeFile(file, '\x7fELF');
    return file;
  }

  const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'docs/platforms.md', 'docs/releasing.md'];
  const promises = DOCUMENTS.flatMap((name) => {
    const text = readFileSync(path.join(root, name), 'utf8');
    const all = [...text.matchAll(/glibc\s+(?:newer\s+than\s+)?(\d+\.\d+)/g)];
    return all.map(([, version = '']): [string, string] => [name, version]);
  });

  test('has its oldest glibc in every document', () => {
    expect(new Set(promises.map(([name]) => name)).size).toBe(DOCUMENTS.length);
  });

  test.for(promises)('is refused if it needs more: %s promises %s', async ([, promise]) => {
    const addon = await elf('codex-image.linux-x64-gnu.node');
    await needs(['libc.so.6'], ['2.2.5', '2.9', promise]);
    expect(() => assertLoadable(addon)).not.toThrow();
    const [major, minor = NaN] = promise.split('.').map(Number);
    await needs(['libc.so.6'], ['2.9', `${major}.${minor + 1}`, promise]);
    expect(() => assertLoadable(addon)).toThrow(/needs glibc \d+\.\d+; /);
  });

  test('is refused if it needs a feature of a newer loader', async () => {
    await needs(['libc.so.6'], ['2.2.5', 'ABI_DT_RELR']);
    const addon = await elf('codex-image.linux-x64-gnu.node');
    expect(() => assertLoadable(addon)).toThrow(/needs GLIBC_ABI_DT_RELR/);
  });

  test.for([
    ['gnu', 'libstdc++.so.6', 'libc.so.6'],
    ['gnu', 'libc.so', 'libc.so.6'],
    ['musl', 'libgcc_s.so.1', 'libc.so'],
    ['musl', 'libc.so.6', 'libc.so'],
  ] as const)('on %s is refused if it needs %s, not if it needs %s', async ([abi, bad, good]) => {
    const addon = await elf(`codex-image.linux-arm64-${abi}.node`);
    await needs([good]);
    expect(() => assertLoadable(addon)).not.toThrow();
    await needs([good, bad]);
    expect(() => assertLoadable(addon)).toThrow(`needs ${bad}, which`);
  });
});

test.for([
  ['darwin-arm64', UNALIGNED, 'has a string table that is not aligned'],
  ['win32-arm64-msvc', VCRUNTIME, 'needs VCRUNTIME140.dll,'],
] as const)('a package for %s is not made of %s', async ([platform, name, reason]) => {
  const copy = makeDirectory();
  const artifacts = path.join(copy, 'artifacts');
  await mkdir(artifacts);
  await copyFile(path.join(root, 'package.json'), path.join(copy, 'package.json'));
  const addons = Object.keys(PLATFORMS).map((each) => `codex-image.${each}.node`);
  for (const addon of addons) await writeFile(path.join(artifacts, addon), PLACEHOLDER);
  await copyFile(fixture(name), path.join(artifacts, `codex-image.${platform}.node`));

  const script = path.join(root, 'scripts', 'release.mjs');
  const packing = promisify(execFile)(process.execPath, [script, 'pack', copy]);
  // The last line. Those before it come from tools.
  const line = new RegExp(`\ncodex-image.${platform}.node ${reason}.*\n$`);
  const stderr: unknown = expect.stringMatching(line);
  await expect(packing).rejects.toMatchObject({ code: 1, stderr });
  expect(existsSync(path.join(copy, 'packages'))).toBe(false);
});

describe('the list of crates', () => {
  const LIST = deflateSync(
    JSON.stringify({
      packages: [
        { name: 'codex-image', version: '0.1.0', root: true },
        { name: 'napi', version: '3.16.1' },
        { name: 'napi-build', version: '2.3.1', kind: 'build' },
      ],
    }),
  );

  /** A copy of a binary whose first section is renamed to that of the list. */
  async function listed(name: string, bytes: Buffer, set: (at: number) => void): Promise<string> {
    set(bytes.length);
    const file = path.join(makeDirectory(), name);
    await writeFile(file, Buffer.concat([bytes, LIST, Buffer.alloc(100)]));
    return file;
  }

  test('is read back from an addon for macOS', async () => {
    const bytes = readFileSync(fixture(UNALIGNED));
    expect(() => cratesIn(fixture(UNALIGNED))).toThrow(/has no list of its crates/);
    const section = bytes.indexOf('__text\0');
    const file = await listed(UNALIGNED, bytes, (at) => {
      bytes.write('.dep-v0\0', section);
      bytes.writeBigUInt64LE(BigInt(LIST.length), section + 40);
      bytes.writeUInt32LE(at, section + 48);
    });
    expect(cratesIn(file)).toEqual([{ name: 'napi', version: '3.16.1' }]);
  });

  test('is read back from an addon for Windows', async () => {
    const bytes = readFileSync(fixture(VCRUNTIME));
    expect(() => cratesIn(fixture(VCRUNTIME))).toThrow(/has no list of its crates/);
    const header = bytes.readUInt32LE(0x3c);
    const section = header + 24 + bytes.readUInt16LE(header + 20);
    const file = await listed(VCRUNTIME, bytes, (at) => {
      bytes.write('.dep-v0\0', section);
      bytes.writeUInt32LE(LIST.length, section + 8);
      bytes.writeUInt32LE(at, section + 20);
    });
    expect(cratesIn(file)).toEqual([{ name: 'napi', version: '3.16.1' }]);
  });

  test('is read back from an addon for Linux', async () => {
    const names = Buffer.from('\0.dep-v0\0.text\0');
    const table = 64;
    // The header, two sections, and the names of the sections, which are the second.
    const bytes = Buffer.concat([Buffer.alloc(table + 2 * 64), names]);
    bytes.write('\x7fELF');
    bytes.writeBigUInt64LE(BigInt(table), 0x28);
    bytes.writeUInt16LE(64, 0x3a);
    bytes.writeUInt16LE(2, 0x3c);
    bytes.writeUInt16LE(1, 0x3e);
    bytes.writeUInt32LE(9, table);
    bytes.writeBigUInt64LE(BigInt(table + 2 * 64), table + 64 + 0x18);
    const without = await listed('without.node', bytes, () => {});
    expect(() => cratesIn(without)).toThrow(/has no list of its crates/);
    const file = await listed('addon.node', bytes, (at) => {
      bytes.writeUInt32LE(1, table);
      bytes.writeBigUInt64LE(BigInt(at), table + 0x18);
      bytes.writeBigUInt64LE(BigInt(LIST.length), table + 0x20);
    });
    expect(cratesIn(file)).toEqual([{ name: 'napi', version: '3.16.1' }]);
  });
});
