// The reference implementation of C2PA, from PyPI.

import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { ensurePython } from '../../../scripts/python.mjs';
import { WINDOWS } from '../platform.js';

const run = promisify(execFile);
const PACKAGES = { 'c2pa-python': '0.38.1' };
const PROGRAM = fileURLToPath(new URL('oracle.py', import.meta.url));

/** What it finds in one file: an error, or the status codes of C2PA 2.2, 15.2.2. */
export type OracleResult =
  { error: string } | { success: string[]; informational: string[]; failure: string[] };

/** Reads PNG files, with the roots of a PEM file as anchors of trust. */
export type Oracle = (roots: string, files: string[]) => Promise<OracleResult[]>;

/** Installs the reference implementation. Undefined if PyPI is out of reach. */
export async function findOracle(): Promise<Oracle | undefined> {
  let bin: string;
  try {
    bin = await ensurePython(PACKAGES);
  } catch (error) {
    if (await isPypiInReach()) throw error;
    return undefined;
  }
  return async (roots, files) => {
    const { stdout } = await run(path.join(bin, 'python'), [PROGRAM, roots, ...files]);
    return JSON.parse(stdout) as OracleResult[];
  };
}

async function isPypiInReach(): Promise<boolean> {
  const python = WINDOWS ? 'python' : 'python3';
  try {
    await run(python, ['-m', 'pip', 'index', 'versions', 'pip']);
    return true;
  } catch {
    return false;
  }
}
