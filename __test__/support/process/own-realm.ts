// Runs programs that damage their JavaScript realm in a Node process: prototypes, globals,
// descriptors.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { expect, onTestFinished } from 'vitest';

import type { GenerateOptions } from '../../../index.js';

const INDEX = fileURLToPath(new URL('../../../index.js', import.meta.url));

/** The end of a call, as {@link inOwnRealm}'s programs report it. */
export type CallEnd =
  | { resolved: unknown }
  | { rejected: { [member: string]: unknown; code?: string; message?: string } }
  | { threw: string }
  | 'no promise';

/**
 * What a program has: `options`, `addon`, `clean(f)`, which undoes what `f` did to
 * `Object.prototype` when its result is there, and `told(f)`, which calls `f` and reports how the
 * promise ended: a buffer as base64, an error as its members.
 */
const PREAMBLE = `
  const { stdout } = process;
  const { stringify } = JSON;
  const { getOwnPropertyNames, defineProperty, getOwnPropertyDescriptors, fromEntries } = Object;
  const { isBuffer } = Buffer;
  const nativePromise = Promise;
  const natural = new Set(getOwnPropertyNames(Object.prototype));
  const polluted = Object.prototype;
  const clean = () => {
    for (const name of getOwnPropertyNames(polluted)) if (!natural.has(name)) delete polluted[name];
  };
  const told = async (call) => {
    let promise;
    try { promise = call(); } catch (error) { return { threw: \`\${error.message}\` }; }
    if (!(promise instanceof nativePromise)) return 'no promise';
    try {
      const value = await promise;
      return { resolved: isBuffer(value) ? value.toString('base64') : value };
    } catch (error) {
      clean();
      const members = {};
      for (const name of getOwnPropertyNames(error)) members[name] = error[name];
      return { rejected: members };
    }
  };
`;

/** Returns the result of `program`, the body of an async function, which must end by itself. */
export async function inOwnRealm<T = CallEnd[]>(
  program: string,
  options: GenerateOptions,
  { descriptors, env }: { descriptors?: number; env?: Record<string, string> } = {},
): Promise<T> {
  const whole = `'use strict';
    const options = ${JSON.stringify(options)};
    const load = () => require(${JSON.stringify(INDEX)});
    ${PREAMBLE}
    (async () => { ${program} })().then((value) => { clean(); stdout.write(stringify(value)); });`;
  const node = [process.execPath, '--eval', whole];
  const limited = ['/bin/sh', '-c', `ulimit -n ${descriptors}; exec "$@"`, 'sh', ...node];
  const [file = '', ...args] = descriptors === undefined ? node : limited;
  const child = spawn(file, args, { env: { ...process.env, ...env } });
  onTestFinished(() => void child.kill('SIGKILL'));
  child.stdin.end();
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  expect({ code, signal, stderr }).toMatchObject({ code: 0, signal: null });
  return JSON.parse(stdout) as T;
}
