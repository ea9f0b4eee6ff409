// Reads from a built addon what the loader of its system will demand (the libraries, the version of
// glibc, and on macOS an aligned string table), and the list of its crates.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { inflateSync } from 'node:zlib';

import { UserError } from './bootstrap.mjs';

/** Promised by README and CHANGELOG; the oldest that Rust's std works with. */
export const PROMISED_GLIBC = '2.17';

/** Stands for the addon of another platform, where a release is only tried. */
export const PLACEHOLDER = 'not built on this machine\n';

const GLIBC_LIBRARY = /^(?:lib(?:c|dl|m|pthread|rt)|ld-linux-[\w-]+)\.so\.\d$/;
const MUSL_LIBRARY = /^libc\.so$/;
const MACOS_LIBRARY = /^\/(?:usr\/lib|System\/Library)\//;
/**
 * Parts of every Windows 10: API sets, and DLLs of the system directory. VCRUNTIME140.dll is not:
 * it comes with a redistributable, which a clean Windows lacks.
 */
const WINDOWS_LIBRARY = new RegExp(
  '^(?:api-ms-win-[a-z0-9-]+|advapi32|bcrypt|bcryptprimitives|combase|kernel32|msvcrt|ntdll|ole32|' +
    String.raw`oleaut32|shell32|ucrtbase|user32|userenv|ws2_32)\.dll$`,
  'i',
);

/**
 * What a loader needs to know of a file.
 *
 * @typedef {object} Demands
 * @property {string[]} libraries
 * @property {RegExp} system matches the libraries that every such system has
 * @property {string | undefined} fault why the loader refuses the file
 */

/**
 * @typedef {object} Format
 * @property {Buffer} magic
 * @property {(file: string, bytes: Buffer) => Demands} read
 * @property {(bytes: Buffer) => { name: string, at: number, size: number }[]} sections
 */

/** @type {Format[]} */
const FORMATS = [
  { magic: Buffer.from('\x7fELF'), read: readElf, sections: elfSections },
  // 64 bits, in the processor's byte order.
  { magic: Buffer.from([0xcf, 0xfa, 0xed, 0xfe]), read: readMachO, sections: machOSections },
  { magic: Buffer.from('MZ'), read: readPe, sections: peSections },
];
/** The section of `cargo auditable`: JSON, compressed by zlib. */
const CRATES = '.dep-v0';

/**
 * Fails if a clean installation of the addon's system could not load it.
 *
 * @param {string} file
 */
export function assertLoadable(file) {
  const bytes = readFileSync(file);
  const name = path.basename(file);
  const { libraries, system, fault } = formatOf(name, bytes).read(file, bytes);
  if (libraries.length === 0) throw new UserError(`${name} needs no library at all.`);
  const foreign = libraries.filter((library) => !system.test(library));
  if (foreign.length > 0) {
    throw new UserError(`${name} needs ${foreign.join(', ')}, which a clean system may lack.`);
  }
  if (fault !== undefined) throw new UserError(`${name} ${fault}.`);
  console.log(`${name} needs only ${[...new Set(libraries)].join(', ')}`);
}

/**
 * The crates that are linked into an addon, by the list inside it. Procedural macros and what only
 * the build needs are left out.
 *
 * @param {string} file
 * @returns {{ name: string, version: string }[]}
 */
export function cratesIn(file) {
  const bytes = readFileSync(file);
  const name = path.basename(file);
  const section = formatOf(name, bytes)
    .sections(bytes)
    .find((each) => each.name === CRATES);
  if (section === undefined) throw new UserError(`${name} has no list of its crates.`);
  const list = inflateSync(bytes.subarray(section.at, section.at + section.size));
  /** @type {{ packages: { name: string, version: string, kind?: string, root?: boolean }[] }} */
  const { packages } = JSON.parse(list.toString());
  return packages.filter(({ kind, root: isOurs }) => kind !== 'build' && !isOurs);
}

/**
 * @param {string} name
 * @param {Buffer} bytes
 */
function formatOf(name, bytes) {
  const format = FORMATS.find(({ magic }) => bytes.subarray(0, magic.length).equals(magic));
  if (format === undefined) throw new UserError(`${name} is no ELF, Mach-O or PE file.`);
  return format;
}

// ── ELF ─────────────────────────────────────────────────────────────────────────────────────────

/**
 * Runs `readelf`, which is part of binutils.
 *
 * @param {string} file
 * @returns {Demands}
 */
function readElf(file) {
  const options = { encoding: /** @type {const} */ ('utf8'), env: { ...process.env, LC_ALL: 'C' } };
  const sections = ['--dynamic', '--version-info', '--wide'];
  const text = execFileSync('readelf', [...sections, file], options);
  const libraries = [...text.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name = '']) => name);
  const versions = [...text.matchAll(/Name: GLIBC_(\S+)/g)].map(([, version = '']) => version);
  // GLIBC_ABI_DT_RELR, for example, needs a feature of the loader, not a symbol.
  const odd = versions.find((version) => !/^\d+(\.\d+)+$/.test(version));
  const newer = versions.find((version) => byVersion(version, PROMISED_GLIBC) > 0);
  let fault;
  if (odd !== undefined) fault = `needs GLIBC_${odd}, which is no version`;
  else if (newer !== undefined) fault = `needs glibc ${newer}; ${PROMISED_GLIBC} is promised`;
  const system = path.basename(file).includes('musl') ? MUSL_LIBRARY : GLIBC_LIBRARY;
  return { libraries, system, fault };
}

/**
 * @param {string} a
 * @param {string} b
 */
function byVersion(a, b) {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** @param {Buffer} bytes of a 64-bit file */
function elfSections(bytes) {
  const table = Number(bytes.readBigUInt64LE(0x28));
  const headers = Array.from({ length: bytes.readUInt16LE(0x3c) }, (_, n) => {
    const header = bytes.subarray(table + n * bytes.readUInt16LE(0x3a));
    return {
      nameAt: header.readUInt32LE(0),
      at: Number(header.readBigUInt64LE(0x18)),
      size: Number(header.readBigUInt64LE(0x20)),
    };
  });
  const names = headers[bytes.readUInt16LE(0x3e)]?.at ?? 0;
  return headers.map(({ nameAt, at, size }) => ({ name: textAt(bytes, names + nameAt), at, size }));
}

// ── Mach-O ──────────────────────────────────────────────────────────────────────────────────────

const MACHO_HEADER = 32;
const LC_SYMTAB = 0x2;
const LC_SEGMENT_64 = 0x19;
/** `LC_LOAD_DYLIB` and its weak, reexporting and upward forms. */
const LC_LOAD = new Set([0xc, 0x80000018, 0x8000001f, 0x80000023]);

/**
 * dyld of macOS 27 refuses a library that was linked with the SDK of macOS 27 or newer and whose
 * string table is not aligned to 8 bytes ("mis-aligned LINKEDIT string pool").
 *
 * @param {string} _file
 * @param {Buffer} bytes
 * @returns {Demands}
 */
function readMachO(_file, bytes) {
  /** @type {string[]} */
  const libraries = [];
  /** @type {number | undefined} */
  let strings;
  let at = MACHO_HEADER;
  for (let left = bytes.readUInt32LE(16); left > 0; left -= 1) {
    const command = bytes.readUInt32LE(at);
    if (LC_LOAD.has(command)) libraries.push(textAt(bytes, at + bytes.readUInt32LE(at + 8)));
    if (command === LC_SYMTAB) strings = bytes.readUInt32LE(at + 16);
    at += bytes.readUInt32LE(at + 4);
  }
  let fault;
  if (strings === undefined) fault = 'has no LC_SYMTAB';
  else if (strings % 8 !== 0) fault = `has a string table that is not aligned (at ${strings})`;
  return { libraries, system: MACOS_LIBRARY, fault };
}

/** @param {Buffer} bytes */
function machOSections(bytes) {
  const sections = [];
  let at = MACHO_HEADER;
  for (let left = bytes.readUInt32LE(16); left > 0; left -= 1) {
    const isSegment = bytes.readUInt32LE(at) === LC_SEGMENT_64;
    const count = isSegment ? bytes.readUInt32LE(at + 64) : 0;
    for (let n = 0; n < count; n += 1) {
      const section = bytes.subarray(at + 72 + 80 * n);
      sections.push({
        name: fixedText(section, 16),
        at: section.readUInt32LE(48),
        size: Number(section.readBigUInt64LE(40)),
      });
    }
    at += bytes.readUInt32LE(at + 4);
  }
  return sections;
}

// ── PE ──────────────────────────────────────────────────────────────────────────────────────────

const PE_OPTIONAL_HEADER = 24;
/** Of 64-bit files. */
const PE_DIRECTORIES = PE_OPTIONAL_HEADER + 112;
const IMPORTS = { directory: 1, size: 20, name: 12 };
const DELAYED_IMPORTS = { directory: 13, size: 32, name: 4 };

/**
 * @param {string} _file
 * @param {Buffer} bytes
 * @returns {Demands}
 */
function readPe(_file, bytes) {
  const header = bytes.readUInt32LE(0x3c);
  const sections = header + PE_OPTIONAL_HEADER + bytes.readUInt16LE(header + 20);
  /** @param {number} address once loaded */
  const offsetOf = (address) => {
    for (let n = 0; n < bytes.readUInt16LE(header + 6); n += 1) {
      const section = sections + 40 * n;
      const distance = address - bytes.readUInt32LE(section + 12);
      if (distance >= 0 && distance < bytes.readUInt32LE(section + 16)) {
        return bytes.readUInt32LE(section + 20) + distance;
      }
    }
    throw new UserError(`The address ${address} is in no section of the PE file.`);
  };
  const libraries = [IMPORTS, DELAYED_IMPORTS].flatMap(({ directory, size, name }) => {
    const table = bytes.readUInt32LE(header + PE_DIRECTORIES + 8 * directory);
    /** @type {string[]} */
    const names = [];
    if (table === 0) return names;
    for (let entry = offsetOf(table); ; entry += size) {
      const address = bytes.readUInt32LE(entry + name);
      if (address === 0) return names;
      names.push(textAt(bytes, offsetOf(address)));
    }
  });
  return { libraries, system: WINDOWS_LIBRARY, fault: undefined };
}

/** @param {Buffer} bytes */
function peSections(bytes) {
  const header = bytes.readUInt32LE(0x3c);
  const table = header + PE_OPTIONAL_HEADER + bytes.readUInt16LE(header + 20);
  return Array.from({ length: bytes.readUInt16LE(header + 6) }, (_, n) => {
    const section = bytes.subarray(table + 40 * n);
    return {
      name: fixedText(section, 8),
      at: section.readUInt32LE(20),
      // Its data alone, without the padding.
      size: section.readUInt32LE(8),
    };
  });
}

/**
 * @param {Buffer} bytes
 * @param {number} width of a field that is filled up with zeros
 */
function fixedText(bytes, width) {
  return bytes.toString('latin1', 0, width).replace(/\0.*$/s, '');
}

/**
 * @param {Buffer} bytes
 * @param {number} start of a text that ends with a zero
 */
function textAt(bytes, start) {
  return bytes.toString('latin1', start, bytes.indexOf(0, start));
}
