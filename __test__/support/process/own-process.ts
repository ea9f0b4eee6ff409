// Runs the addon in its own Node process, for limits and rights that the tests themselves must
// keep, and for memory measurements.

import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, rmdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import {
  type CheckOptions,
  type CodexImageError,
  type GeneratedImage,
  type GenerateOptions,
  type Readiness,
  type RecoverOptions,
} from '../../../index.js';
import { makeHomeDirectory } from '../homes.mjs';
import { LINUX } from '../platform.js';

/** The part of the command line before `node`. */
export type Wrapper = readonly string[];

/** The result of one call, and what it cost its process. */
export interface Outcome {
  image?: Omit<GeneratedImage, 'png'>;
  error?: Pick<CodexImageError, 'code' | 'message' | 'status' | 'detail'>;
  /** By how many bytes the peak of the process's memory exceeds the memory before. */
  peakGrowth: number;
}

/**
 * One call made while the process lacks a resource. No thread waits for a child any more when it is
 * reported.
 */
export interface StarvedCall {
  /** The error's code, or null for a success. */
  code: string | null;
  message: string | null;
  descriptors: { before: number; after: number };
}

/** The resources that a process holds. */
export interface Holdings {
  descriptors: number;
  threads: number;
  /** In bytes. */
  memory: number;
}

/** Runs the program `NAME` of `own-process/` and returns its output. */
async function run<T>(
  name: string,
  input: unknown,
  wrapper: Wrapper,
  variables: Record<string, string> = {},
): Promise<T> {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const [program = '', ...args] = [...wrapper, process.execPath, script, JSON.stringify(input)];
  const env = { ...process.env, ...variables };
  const { stdout } = await promisify(execFile)(program, args, { env, maxBuffer: 64 << 20 });
  return JSON.parse(stdout) as T;
}

export async function generateInOwnProcess(
  options: GenerateOptions,
  wrapper: Wrapper = [],
): Promise<Outcome> {
  return run('own-process/one-call.mjs', options, wrapper);
}

/** Calls `checkCodex` there. */
export async function checkInOwnProcess(
  options: CheckOptions,
  wrapper: Wrapper,
): Promise<Readiness> {
  return run('own-process/check.mjs', options, wrapper);
}

/** Calls `recoverCodexImage` there. */
export async function recoverInOwnProcess(
  options: RecoverOptions,
  wrapper: Wrapper,
): Promise<Omit<Outcome, 'peakGrowth'>> {
  return run('own-process/recover.mjs', options, wrapper);
}

/** The results of many calls for a home on a dead disk, and then of one for another home. */
export interface DeadHome {
  checks: Readiness[];
  /** The errors of the recoveries. */
  recoveries: Pick<CodexImageError, 'code' | 'message' | 'status' | 'retryable' | 'threadId'>[];
  /**
   * The result for a home that answers, while the calls for the dead one still hang in the kernel.
   */
  healthy: Readiness;
  /** How many threads more the process has than before. */
  threads: number;
}

/** Makes `calls` times each of `checkCodex` and `recoverCodexImage`, all at once. */
export async function readDeadHome(
  options: { dead: CheckOptions; healthy: CheckOptions; threadId: string; calls: number },
  wrapper: Wrapper,
): Promise<DeadHome> {
  return run('own-process/dead-home.mjs', options, wrapper);
}

/** Makes one call for every number of free descriptors, from none to the first that succeeds. */
export async function generateWithoutDescriptors(options: GenerateOptions): Promise<StarvedCall[]> {
  return run('own-process/few-descriptors.mjs', options, FEW_DESCRIPTORS);
}

/**
 * Returns what the process holds before and after `rounds` times `calls` that are aborted while all
 * run.
 */
export async function cancelInOwnProcess(
  options: GenerateOptions,
  rounds: number,
  calls: number,
): Promise<{ before: Holdings; after: Holdings }> {
  const variables = { ROUNDS: String(rounds), CALLS: String(calls) };
  return run('own-process/cancelled.mjs', options, [], variables);
}

/** Makes one call for which no more thread or process can be started. */
export async function generateWithoutProcesses(
  options: GenerateOptions,
  wrapper: Wrapper,
): Promise<StarvedCall> {
  return run('own-process/no-processes.mjs', options, wrapper);
}

/** Node itself has some 20 open. */
export const WITH_64_DESCRIPTORS: Wrapper = ['sh', '-c', 'ulimit -n 64 && exec "$0" "$@"'];
const FEW_DESCRIPTORS: Wrapper = ['sh', '-c', 'ulimit -n 128 && exec "$0" "$@"'];
export const IS_ROOT = process.getuid?.() === 0;

/** Runs it so that root is bound by the modes of files as well. */
export const BOUND_BY_MODES: Wrapper = IS_ROOT
  ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search']
  : [];

/** A user whose processes are counted. root's are not. */
export const COUNTED_USER = IS_ROOT ? 65_534 : (process.getuid?.() ?? 0);
export const AS_COUNTED_USER: Wrapper = IS_ROOT
  ? ['setpriv', `--reuid=${COUNTED_USER}`, '--clear-groups', '--bounding-set=-all']
  : [];

/**
 * Whether that user may run the addon in the home of a test: root may have both where no other user
 * can reach. Only Linux limits a running process.
 */
export function mayBeCounted(): boolean {
  if (!LINUX) return false;
  const addon = fileURLToPath(new URL('../../../index.js', import.meta.url));
  const home = makeHomeDirectory();
  try {
    chmodSync(home, 0o755);
    const script = 'require(process.argv[1]); require("fs").readdirSync(process.argv[2])';
    const call = [...AS_COUNTED_USER, process.execPath, '--eval', script, addon, home];
    const [program = '', ...args] = call;
    return spawnSync(program, args).status === 0;
  } finally {
    rmdirSync(home);
  }
}

/** Runs it as root, at least in its own namespace. */
export const AS_MOUNTER: Wrapper = IS_ROOT ? [] : ['unshare', '--map-root-user'];

/** A user namespace with the counted user alone, in which root's files belong to another user. */
const IN_NAMESPACE_WITHOUT_ROOT: Wrapper = [
  ...AS_COUNTED_USER,
  'unshare',
  '--user',
  '--map-user=1000',
];

/** The same, if such a namespace can be made. */
export function namespaceWithoutRoot(): Wrapper | undefined {
  if (!mayBeCounted()) return undefined;
  const [program = '', ...args] = [...IN_NAMESPACE_WITHOUT_ROOT, 'stat', '--format=%u', '/'];
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 && stdout.trim() !== '0' ? IN_NAMESPACE_WITHOUT_ROOT : undefined;
}

const UNSHARE = ['unshare', '--mount', ...(IS_ROOT ? [] : ['--map-root-user'])];

/** Mounts a file system at `directory`, which `options` keep small. */
export function withSmallDisk(directory: string, options: string): Wrapper {
  const script = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"';
  return [...UNSHARE, 'sh', '-c', script, 'sh', options, directory];
}

/**
 * Mounts a disk at `directory` that answers until a file is read, and then no more: every file has
 * a single byte. Takes the right to mount and `/dev/fuse`.
 */
export function withDeadDisk(directory: string): Wrapper {
  const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
  const script =
    `exec 3<>/dev/fuse && mount -i -t fuse -o ${options} none "$1" && { "$2" "$3" & } && disk=$! && exec 3>&- && ` +
    'shift 3 && "$@"; status=$?; kill $disk; exit $status';
  const disk = fileURLToPath(new URL('own-process/dead-disk.mjs', import.meta.url));
  return [...UNSHARE, 'sh', '-c', script, 'sh', directory, process.execPath, disk];
}

export function mayHaveDeadDisk(): boolean {
  if (!LINUX) return false;
  const [program = '', ...args] = [...withDeadDisk('/mnt'), 'test', '-f', '/mnt/file'];
  return spawnSync(program, args).status === 0;
}

/** Shows the files below `directory` in `/etc`, beside its own. */
export function withEtc(directory: string): Wrapper {
  const script = 'mount -t overlay -o "lowerdir=$1:/etc" none /etc && shift && exec "$@"';
  return [...UNSHARE, 'sh', '-c', script, 'sh', directory];
}

/** Whether that is possible: it takes the right to mount, and a kernel with overlays. */
export function mayOverlay(): boolean {
  const [program = '', ...args] = [...withEtc('/mnt'), 'true'];
  return spawnSync(program, args).status === 0;
}

/** Has its own mounts, which end with it. */
export const WITH_OWN_MOUNTS: Wrapper = UNSHARE;

/**
 * Whether that is possible: it takes the right to mount on Linux, which some containers withhold.
 */
export function mayMount(): boolean {
  const [program = '', ...args] = [...withSmallDisk('/mnt', 'size=4k'), 'true'];
  return spawnSync(program, args).status === 0;
}

/** Forbids user namespaces, as some systems do: Codex's sandbox cannot start there. */
export const WITHOUT_NAMESPACES: Wrapper = [
  'unshare',
  '--map-root-user',
  'sh',
  '-c',
  'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"',
];

/** Whether namespaces can be forbidden here. */
export function mayForbidNamespaces(): boolean {
  if (!LINUX) return false;
  const [program = '', ...args] = [...WITHOUT_NAMESPACES, 'unshare', '--user', 'true'];
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 1 && stderr.includes('unshare failed: No space left');
}
