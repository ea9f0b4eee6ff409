// A script in a Node process of its own: where the addon is to meet limits and rights that the tests themselves must keep,
// or memory that nobody else uses.

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
} from '../../index.js';
import { makeHomeDirectory } from './homes.mjs';
import { LINUX } from './platform.js';

/** What comes before `node` on the command line. */
export type Wrapper = readonly string[];

/** What one call came to, and what it cost its process. */
export interface Outcome {
  image?: Omit<GeneratedImage, 'png'>;
  error?: Pick<CodexImageError, 'code' | 'message' | 'status' | 'detail'>;
  /** How many bytes more the process had in memory at its peak than before. */
  peakGrowth: number;
}

/** One call made while the process lacks something. No thread waits for a child any more when it is told. */
export interface StarvedCall {
  /** The error's code, or null for a success. */
  code: string | null;
  message: string | null;
  descriptors: { before: number; after: number };
}

/** What a process holds. */
export interface Holdings {
  descriptors: number;
  threads: number;
  /** In bytes. */
  memory: number;
}

/** Runs `support/NAME` and returns what it printed. */
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

/** What `checkCodex` says there. */
export async function checkInOwnProcess(
  options: CheckOptions,
  wrapper: Wrapper,
): Promise<Readiness> {
  return run('own-process/check.mjs', options, wrapper);
}

/** What `recoverCodexImage` finds there. */
export async function recoverInOwnProcess(
  options: RecoverOptions,
  wrapper: Wrapper,
): Promise<Omit<Outcome, 'peakGrowth'>> {
  return run('own-process/recover.mjs', options, wrapper);
}

/** What becomes of many calls for a home whose disk does not answer, and then of one for another. */
export interface DeadHome {
  checks: Readiness[];
  /** The errors of the recoveries. */
  recoveries: Pick<CodexImageError, 'code' | 'message' | 'status' | 'retryable' | 'threadId'>[];
  /** What is said of a home that answers, while the calls for the dead one still hang in the kernel. */
  healthy: Readiness;
  /** How many threads more the process has than before. */
  threads: number;
}

/** `calls` times each of `checkCodex` and `recoverCodexImage`, all at once. */
export async function readDeadHome(
  options: { dead: CheckOptions; healthy: CheckOptions; threadId: string; calls: number },
  wrapper: Wrapper,
): Promise<DeadHome> {
  return run('own-process/dead-home.mjs', options, wrapper);
}

/** One call for every number of free descriptors, from none to as many as it takes. */
export async function generateWithoutDescriptors(options: GenerateOptions): Promise<StarvedCall[]> {
  return run('own-process/few-descriptors.mjs', options, FEW_DESCRIPTORS);
}

/** What the process holds before and after `rounds` times `calls` that are aborted when all of them run. */
export async function cancelInOwnProcess(
  options: GenerateOptions,
  rounds: number,
  calls: number,
): Promise<{ before: Holdings; after: Holdings }> {
  const variables = { ROUNDS: String(rounds), CALLS: String(calls) };
  return run('own-process/cancelled.mjs', options, [], variables);
}

/** One call for which no further thread and no process can be made. */
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

/** The owner of a file is bound by the file's mode, as everybody but root is. */
export const BOUND_BY_MODES: Wrapper = IS_ROOT
  ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search']
  : [];

/** A user whose processes are counted, as everybody's but root's are. */
export const COUNTED_USER = IS_ROOT ? 65_534 : (process.getuid?.() ?? 0);
export const AS_COUNTED_USER: Wrapper = IS_ROOT
  ? ['setpriv', `--reuid=${COUNTED_USER}`, '--clear-groups', '--bounding-set=-all']
  : [];

/**
 * Whether that user may run the addon in the home of a test: root may have both where no other user
 * gets to. Only Linux limits a process that runs.
 */
export function mayBeCounted(): boolean {
  if (!LINUX) return false;
  const addon = fileURLToPath(new URL('../../index.js', import.meta.url));
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

/** Root, or who is root among the processes that it starts. */
export const AS_MOUNTER: Wrapper = IS_ROOT ? [] : ['unshare', '--map-root-user'];

/** A user namespace that knows the counted user alone: root's files are shown as another's. */
const IN_NAMESPACE_WITHOUT_ROOT: Wrapper = [
  ...AS_COUNTED_USER,
  'unshare',
  '--user',
  '--map-user=1000',
];

/** The same, if there may be such a namespace. */
export function namespaceWithoutRoot(): Wrapper | undefined {
  if (!mayBeCounted()) return undefined;
  const [program = '', ...args] = [...IN_NAMESPACE_WITHOUT_ROOT, 'stat', '--format=%u', '/'];
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
  return status === 0 && stdout.trim() !== '0' ? IN_NAMESPACE_WITHOUT_ROOT : undefined;
}

const UNSHARE = ['unshare', '--mount', ...(IS_ROOT ? [] : ['--map-root-user'])];

/** Has a file system of its own at `directory`, which `options` keep small. */
export function withSmallDisk(directory: string, options: string): Wrapper {
  const script = 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"';
  return [...UNSHARE, 'sh', '-c', script, 'sh', options, directory];
}

/**
 * Has a disk at `directory` that answers until a file is read, and then no more: every file there is one of a single byte.
 * Takes the right to mount and `/dev/fuse`.
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

/** Sees the files below `directory` as if they lay in `/etc`, beside what is there. */
export function withEtc(directory: string): Wrapper {
  const script = 'mount -t overlay -o "lowerdir=$1:/etc" none /etc && shift && exec "$@"';
  return [...UNSHARE, 'sh', '-c', script, 'sh', directory];
}

/** Whether that may be: it takes what `mayMount` takes, and a kernel with overlays. */
export function mayOverlay(): boolean {
  const [program = '', ...args] = [...withEtc('/mnt'), 'true'];
  return spawnSync(program, args).status === 0;
}

/** Has mounts of its own, which go with it. */
export const WITH_OWN_MOUNTS: Wrapper = UNSHARE;

/** Whether that may be: it is not for everybody, not in every container, and not outside of Linux. */
export function mayMount(): boolean {
  const [program = '', ...args] = [...withSmallDisk('/mnt', 'size=4k'), 'true'];
  return spawnSync(program, args).status === 0;
}
