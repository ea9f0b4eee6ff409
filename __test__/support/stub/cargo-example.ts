// Programs in Rust that tests and benchmarks run: the examples of Cargo.toml.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Builds the example if it is not up to date, and returns the path of its executable. */
export async function buildExample(
  name: string,
  profile: 'dev' | 'release' = 'dev',
): Promise<string> {
  const args = ['--quiet', '--locked', '--profile', profile, '--message-format', 'json'];
  const { stdout } = await promisify(execFile)('cargo', ['build', ...args, '--example', name], {
    cwd: ROOT,
    maxBuffer: 64 << 20,
  });
  const executable = /"executable":("(?:[^"\\]|\\.)*")/.exec(stdout)?.[1];
  if (executable === undefined) throw new Error(`cargo has built no executable for ${name}`);
  return JSON.parse(executable) as string;
}

/** The compiled stub, for what needs a fast one: `stub-codex.rs`. */
export function buildCompiledStub(): Promise<string> {
  return buildExample('stub-codex');
}
