#!/usr/bin/env node
// The script stub of the Codex CLI. Reads its script from the directory that STUB_CONTROL_DIR
// names, and writes its recordings there. `stub-script.ts` has the types, `stub.ts` the fixture.

import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/**
 * @import { StubScript, Recording, Step } from './stub-script.js'
 * @typedef {Extract<Step, { do: 'save' | 'plant' }>} Placing
 */

/** Ends processes that a dead test left behind. Longer than any test runs. */
const LIFETIME_MS = 90_000;
/** @type {NodeJS.Signals[]} */
const TERMINATION_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'];

const controlDir = process.env['STUB_CONTROL_DIR'] ?? '';
const args = process.argv.slice(2);

hold({ constants, openSync }, controlDir);

/** @type {StubScript} */
const script = JSON.parse(readFileSync(path.join(controlDir, 'script.json'), 'utf8'));

/** @type {Recording} */
const recording = {
  command: commandOf(args),
  program: process.argv[1] ?? '',
  args,
  env: /** @type {Record<string, string>} */ ({ ...process.env }),
  cwd: process.cwd(),
  cwdMode: statSync('.').mode & 0o777,
  cwdEntries: readdirSync('.'),
  startedAt: now(),
};

setTimeout(() => process.exit(99), LIFETIME_MS);

if (script.behindLauncher && process.env['STUB_IS_INNER'] === undefined) {
  runBehindLauncher();
} else {
  saveRecording();
  if (recording.command === 'login') answerLoginStatus();
  else if (recording.command === 'exec') await exec();
  else if (args[0] === 'app-server' && script.appServer !== undefined)
    await serve(script.appServer);
  else answerVersion();
}

/**
 * @param {readonly string[]} words
 * @returns {Recording['command']}
 */
function commandOf(words) {
  if (words[0] === 'login' && words[1] === 'status') return 'login';
  return words[0] === 'exec' ? 'exec' : 'other';
}

/**
 * Holds a file exclusively (libuv's UV_FS_O_EXLOCK) while the process lives: on Windows nothing
 * else shows which processes belong to a call. Also passed on as text.
 *
 * @param {Pick<typeof import('node:fs'), 'constants' | 'openSync'>} fs
 * @param {string} directory
 */
function hold(fs, directory) {
  if (process.platform !== 'win32') return;
  const alone = 0x1000_0000;
  fs.openSync(
    `${directory}/${process.pid}.held`,
    fs.constants.O_CREAT | fs.constants.O_RDWR | alone,
  );
}

function runBehindLauncher() {
  const inner = spawn(process.execPath, [fileURLToPath(import.meta.url), ...args], {
    stdio: 'inherit',
    env: { ...process.env, STUB_IS_INNER: '1' },
  });
  inner.on('exit', (code, signal) =>
    process.exit(code ?? 128 + os.constants.signals[signal ?? 'SIGTERM']),
  );
}

function answerLoginStatus() {
  const answer = script.login ?? { text: 'Logged in using ChatGPT', exitCode: 0 };
  if (answer === 'silent') return reach('asked'); // The lifetime's timer keeps it alive.
  write(2, `${answer.text}\n`);
  process.exit(answer.exitCode);
}

function answerVersion() {
  if (args[0] === '--version') {
    if (script.version === 'silent') return reach('asked for its version');
    write(1, 'codex-cli 0.169.0\n');
    process.exit(0);
  }
  write(2, `error: unrecognized subcommand '${args[0]}'\n`);
  process.exit(2);
}

/**
 * Serves the app-server's protocol until stdin ends.
 *
 * @param {NonNullable<StubScript['appServer']>} answer
 */
async function serve(answer) {
  if (Array.isArray(answer)) {
    for (const step of answer) await perform(step);
    end(0);
  }
  recording.stdin = '';
  let isInitialized = false;
  for await (const line of createInterface({ input: process.stdin })) {
    recording.stdin += `${line}\n`;
    saveRecording();
    const { id, method } = JSON.parse(line);
    if (method === 'initialize') {
      emit({ method: 'configWarning', params: { summary: 'bubblewrap is not on PATH' } });
      emit({ id, result: { userAgent: 'codex-image/0.169.0', platformOs: 'linux' } });
    } else if (method === 'initialized') isInitialized = true;
    else if (!isInitialized) emit({ id, error: { code: -32600, message: 'Not initialized' } });
    else if (method === 'account/rateLimits/read') emit({ id, ...answer });
    else emit({ id, error: { code: -32601, message: 'Method not found' } });
  }
  end(0);
}

async function exec() {
  if (script.stdin === 'close') closeSync(0);
  else if (script.stdin !== 'ignore') {
    recording.stdin = await readStdin(script.stdin === 'read slowly');
    saveRecording();
  }
  const [, steps = script.exec] =
    Object.entries(script.execFor ?? {}).find(([text]) => recording.stdin?.includes(text)) ?? [];
  for (const step of steps) await perform(step);
  end(0);
}

/** @param {Step} step */
async function perform(step) {
  switch (step.do) {
    case 'thread':
      recording.threadId = step.id ?? randomUUID();
      saveRecording();
      if (step.states !== null) beginRollout({ ...inForce(), ...step.states });
      return emit({ type: 'thread.started', thread_id: recording.threadId });
    case 'emit':
      return emit(step.event);
    case 'messages':
      for (let n = 1; n <= step.count; n += 1) {
        const item = { id: `item_${n}`, type: 'agent_message', text: `message ${n}` };
        emit({ type: 'item.completed', item });
      }
      return;
    case 'write': {
      const bytes = Buffer.from(step.base64, 'base64');
      for (let n = 0; n < (step.times ?? 1); n += 1) {
        for (const piece of split(bytes, step.pieces ?? 1)) {
          write(step.to === 'stdout' ? 1 : 2, piece);
          // A turn of the event loop between writes lets the reader see each one alone.
          if (step.pieces) await sleep(1);
        }
      }
      return;
    }
    case 'flood':
      return flood(step);
    case 'save': {
      const place = destination(step);
      const file = step.modified === undefined ? place : path.join(controlDir, 'saved');
      for (const [n, piece] of split(
        Buffer.from(step.base64, 'base64'),
        step.pieces ?? 1,
      ).entries()) {
        if (n > 0) await sleep(step.everyMs ?? 10);
        appendFileSync(file, piece);
      }
      if (step.modified !== undefined) {
        const time = new Date(step.modified);
        utimesSync(file, time, time);
        renameSync(file, place);
      }
      return;
    }
    case 'addToRollout':
      return addToRollout(step);
    case 'plant':
      return plant(step);
    case 'leave':
      return leave(step.what);
    case 'reach':
      return reach(step.mark);
    case 'await':
      while (!existsSync(path.join(controlDir, `${step.gate}.gate`))) await sleep(5);
      return;
    case 'closeOutput':
      return closeSync(1);
    case 'hang':
      return new Promise(() => {}); // The lifetime's timer keeps it alive.
    case 'sleep':
      return sleep(step.ms);
    case 'suspend':
      process.kill(process.pid, 'SIGSTOP');
      return;
    case 'ignore':
      for (const signal of step.signals) process.on(signal, () => {});
      return;
    case 'exitOn':
      for (const signal of step.signals) {
        process.on(signal, () => {
          reach(`stopped by ${signal}`);
          process.exit(1);
        });
      }
      return;
    case 'tool':
      return startTool(step);
    case 'forkOn':
      for (const signal of step.signals) {
        process.on(signal, async () => {
          await startTool({ do: 'tool', ownSession: true, ignores: TERMINATION_SIGNALS });
          reach(`forked on ${signal}`);
          process.exit(1);
        });
      }
      return;
    case 'doubleFork':
      return doubleFork(step.knownBy);
    case 'killLauncher':
      if (process.env['STUB_IS_INNER'] === undefined) throw new Error('there is no launcher');
      process.kill(process.ppid, 'SIGKILL');
      return;
    case 'exit':
      return end(step.code);
    case 'die':
      process.kill(process.pid, step.of);
      return new Promise(() => {});
  }
}

/** @param {Extract<Step, { do: 'flood' }>} step */
function flood({ to, line, bytes }) {
  const output = to === 'stdout' ? 1 : 2;
  if (process.platform === 'win32') {
    const lines = Buffer.from(`${line}\n`.repeat(Math.ceil(2 ** 16 / (line.length + 1))));
    for (let left = bytes; left > 0; left -= lines.length) write(output, lines.subarray(0, left));
    return;
  }
  // Node itself would be busier than the reader.
  const command = 'yes "$1" | head -c "$2"';
  const { status } = spawnSync('sh', ['-c', command, 'sh', line, String(bytes)], {
    stdio: ['ignore', output, 'ignore'],
  });
  if (status !== 0) throw new Error('the output was not read to its end');
}

/**
 * The program of every process of a tool, passed on as text: it lives on, and writes its process id
 * to descriptor 3 when it and its children run.
 *
 * @param {Omit<Extract<Step, { do: 'tool' }>, 'do'>} plan
 * @param {number} lifetimeMs
 * @param {typeof hold} holdFile
 * @param {string} directory
 */
function beTool({ generations = 1, ...plan }, lifetimeMs, holdFile, directory) {
  holdFile(require('node:fs'), directory);
  for (const signal of plan.ignores ?? []) process.on(signal, () => {});
  setTimeout(() => {}, lifetimeMs);
  if (generations === 1) {
    require('node:fs').writeSync(3, String(process.pid));
    return;
  }
  const order = JSON.stringify({ ...plan, generations: generations - 1 });
  const next = `(${beTool})(${order}, ${lifetimeMs}, ${holdFile}, ${JSON.stringify(directory)})`;
  /** @type {import('node:child_process').SpawnOptions} */
  const options = {
    detached: plan.ownSession ?? false,
    stdio: ['ignore', 'inherit', 'inherit', 3],
  };
  require('node:child_process').spawn(process.execPath, ['--eval', next], options).unref();
}

/** @param {Omit<Extract<Step, { do: 'tool' }>, 'do'>} plan */
function tool(plan) {
  const source = `(${beTool})(${JSON.stringify(plan)}, ${LIFETIME_MS}, ${hold}, ${JSON.stringify(controlDir)})`;
  // The `ps` of macOS shows a process in one line, with its environment behind its arguments.
  return source.replaceAll(/\s*\n\s*/g, ' ');
}

/** @param {Extract<Step, { do: 'tool' }>} step */
async function startTool(step) {
  const keeps = step.holds ?? [];
  await spawnTool(tool(step), {
    detached: step.ownSession ?? false,
    stdio: [
      'ignore',
      keeps.includes('stdout') ? 'inherit' : 'ignore',
      keeps.includes('stderr') ? 'inherit' : 'ignore',
      'pipe',
    ],
  });
}

/** @param {Extract<Step, { do: 'doubleFork' }>['knownBy']} knownBy */
async function doubleFork(knownBy) {
  const program = tool({ ignores: TERMINATION_SIGNALS });
  const options = `{ detached: true, stdio: ['ignore', 'ignore', 'ignore', 3] }`;
  const spawned = `spawn(process.execPath, ['--eval', ${JSON.stringify(program)}], ${options})`;
  const parent = `require('node:child_process').${spawned}.unref()`;
  const { child, pid } = await spawnTool(parent, {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    ...(knownBy === 'directory' ? {} : { cwd: '/' }),
    ...(knownBy === 'environment' ? {} : { env: {} }),
  });
  // It runs before its parent has ended.
  if (child.exitCode === null) await once(child, 'exit');
  if (knownBy === 'nothing') writeFileSync(path.join(controlDir, 'double-forked.pid'), pid);
}

/**
 * Starts a program and resolves with it and its message of readiness.
 *
 * @param {string} source
 * @param {import('node:child_process').SpawnOptions} options
 */
async function spawnTool(source, options) {
  const child = spawn(process.execPath, ['--eval', source], options);
  const ready = /** @type {import('node:stream').Readable} */ (child.stdio[3]);
  const [pid] = await once(ready, 'data');
  ready.destroy();
  child.unref();
  return { child, pid: String(pid) };
}

/** @param {Extract<Step, { do: 'plant' }>} step */
async function plant(step) {
  const file = destination(step);
  const target = step.to ?? path.join(controlDir, 'nothing');
  switch (step.what) {
    case 'symlink':
      return symlinkSync(target, file);
    case 'hardlink':
      return linkSync(target, file);
    case 'directory':
      return mkdirSync(file);
    case 'fifo':
      return void spawnSync('mkfifo', [file]);
    case 'device':
      return void spawnSync('mknod', [file, 'c', '1', '5']);
    case 'sparse file':
      writeFileSync(file, '');
      return truncateSync(file, 3 * 2 ** 30);
    case 'socket': {
      // The path of a socket must be short, and its owner removes it by the name it was bound to.
      await once(createServer().listen('bound.socket').unref(), 'listening');
      return renameSync('bound.socket', file);
    }
    case 'linked parent':
      rmdirSync(path.dirname(file));
      // The kind of link that needs no privilege on Windows.
      return symlinkSync(target, path.dirname(file), 'junction');
  }
}

/** @param {import('./stub-script.js').Leftover} what */
function leave(what) {
  switch (what) {
    case 'locked directories':
      mkdirSync('a/b/c', { recursive: true });
      writeFileSync('a/b/c/file', '');
      for (const directory of ['a/b/c', 'a/b', 'a', '.']) chmodSync(directory, 0);
      return;
    case 'many files':
      mkdirSync('many');
      for (let n = 0; n < 10_000; n += 1) writeFileSync(`many/${n}`, '');
      return;
    case 'odd names': {
      const odd = Buffer.from([0xff, 0xfe, 0x0a, 0x20, 0x80]);
      mkdirSync(odd);
      writeFileSync(Buffer.concat([odd, Buffer.from('/'), odd]), '');
      return;
    }
    case 'deep directories':
      return nest(30_000);
    case 'everything':
      leave('odd names');
      leave('many files');
      nest(10_000, (level) => {
        if (level % 1000 !== 0) return;
        writeFileSync('file', '');
        symlinkSync(controlDir, 'link to a directory');
        symlinkSync(path.join(controlDir, 'script.json'), 'link to a file');
      });
      for (const directory of ['many', '.']) chmodSync(directory, 0);
      return;
    case 'a mount point':
      mkdirSync('a/b/mounted', { recursive: true });
      if (spawnSync('mount', ['--bind', controlDir, 'a/b/mounted']).status !== 0) {
        throw new Error('nothing can be mounted');
      }
      return;
    case 'locked parent':
      return chmodSync('../..', 0o555);
  }
}

/**
 * Makes nested directories, each named `a`. No path is long enough for them, so it works in each in
 * turn. Furnished ones are left without permissions.
 *
 * @param {number} levels
 * @param {(level: number) => void} [furnish]
 */
function nest(levels, furnish) {
  for (let level = 0; level < levels; level += 1) {
    mkdirSync('a');
    process.chdir('a');
    furnish?.(level);
  }
  for (let level = 0; level < levels; level += 1) {
    process.chdir('..');
    if (furnish !== undefined) chmodSync('a', 0);
  }
}

/** What Codex states at the beginning of the rollout: the sandbox of the command line. */
function inForce() {
  const sandbox = args[args.indexOf('--sandbox') + 1];
  const policies = args.flatMap((arg) => /^approval_policy="(.*)"$/.exec(arg)?.[1] ?? []);
  return {
    cwd: process.cwd(),
    approval_policy: policies.at(-1) ?? 'on-request',
    sandbox_policy: { type: sandbox },
  };
}

/** The rollout of a thread, and whether it is new. */
function rolloutOf(thread = recording.threadId ?? 'no-thread') {
  const time = new Date().toISOString();
  const day = path.join(codexHome(), 'sessions', ...time.slice(0, 10).split('-'));
  mkdirSync(day, { recursive: true });
  const known = readdirSync(day).find((name) => name.endsWith(`-${thread}.jsonl`));
  const started = time.slice(0, 19).replaceAll(':', '-');
  return { file: path.join(day, known ?? `rollout-${started}-${thread}.jsonl`), isNew: !known };
}

/** A line of a rollout. @param {string} type @param {object} payload */
function entry(type, payload) {
  return `${JSON.stringify({ timestamp: new Date().toISOString(), type, payload })}\n`;
}

/**
 * Begins this run's rollout, in place of an older one of the same thread.
 *
 * @param {object} context
 */
function beginRollout(context) {
  const meta = { id: recording.threadId, cwd: process.cwd() };
  writeFileSync(rolloutOf().file, entry('session_meta', meta) + entry('turn_context', context));
}

/** @param {Extract<Step, { do: 'addToRollout' }>} step */
function addToRollout({ form, base64, revisedPrompt, thread }) {
  const { file, isNew } = rolloutOf(thread);
  if (isNew) writeFileSync(file, entry('session_meta', { id: thread, cwd: process.cwd() }));
  /** @param {string} type @param {object} payload */
  const append = (type, payload) => appendFileSync(file, entry(type, payload));
  const picture = { status: 'generating', revised_prompt: revisedPrompt ?? null, result: base64 };
  switch (form) {
    case 'end':
      return append('event_msg', { type: 'image_generation_end', call_id: 'ig_1', ...picture });
    case 'call':
      return append('response_item', { type: 'image_generation_call', id: 'ig_1', ...picture });
    case 'item': {
      const item = {
        type: 'Extension',
        kind: 'image_gen.generation',
        id: 'call_1',
        status: 'completed',
        revisedPrompt: revisedPrompt ?? null,
        result: base64,
        transparentBackground: null,
        failure: null,
        savedPath: null,
      };
      return append('event_msg', {
        type: 'item_completed',
        thread_id: thread ?? recording.threadId,
        turn_id: 'turn_1',
        item,
        completed_at_ms: Date.now(),
      });
    }
    case 'output': {
      const image = { type: 'input_image', image_url: `data:image/png;base64,${base64}` };
      // Text of an agent may contain the markers of lines that count.
      const text = { type: 'input_text', text: '"image_gen.generation" "image_generation_end"' };
      return append('response_item', {
        type: 'function_call_output',
        call_id: 'call_2',
        output: [image, text],
      });
    }
  }
}

/** @param {Placing} step */
function destination(step) {
  if (step.where === 'workspace') return path.join(process.cwd(), 'od-codex-image.png');
  const thread = step.thread ?? recording.threadId ?? 'no-thread';
  const directory = path.join(codexHome(), 'generated_images', thread);
  mkdirSync(directory, { recursive: true });
  return path.join(directory, step.name ?? `exec-${randomUUID()}.png`);
}

function codexHome() {
  return process.env['CODEX_HOME'] ?? path.join(os.homedir(), '.codex');
}

/** @param {string} mark */
function reach(mark) {
  writeFileSync(path.join(controlDir, `${mark}.mark`), '');
}

/** @param {unknown} event */
function emit(event) {
  write(1, `${JSON.stringify(event)}\n`);
}

/**
 * Writes everything before it returns, so that nothing is lost when the process is killed.
 *
 * @param {number} fd
 * @param {string | Uint8Array} data
 */
function write(fd, data) {
  const bytes = Buffer.from(data);
  for (let from = 0; from < bytes.length;) {
    try {
      from += writeSync(fd, bytes, from);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EPIPE') process.exit(1);
      if (code !== 'EAGAIN') throw error;
    }
  }
}

/**
 * @param {boolean} slowly
 * @returns {Promise<string>}
 */
async function readStdin(slowly) {
  const chunks = [];
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    if (slowly) await sleep(5);
  }
  return Buffer.concat(chunks).toString();
}

/**
 * @param {Buffer} bytes
 * @param {number} pieces
 */
function split(bytes, pieces) {
  const size = Math.max(1, Math.ceil(bytes.length / pieces));
  const parts = [];
  for (let from = 0; from < bytes.length; from += size)
    parts.push(bytes.subarray(from, from + size));
  return parts.length > 0 ? parts : [bytes];
}

/**
 * @param {number} code
 * @returns {never}
 */
function end(code) {
  recording.endedAt = now();
  saveRecording();
  process.exit(code);
}

/** By a clock that all processes share. */
function now() {
  return performance.timeOrigin + performance.now();
}

/** Written atomically, because a spec may read meanwhile. */
function saveRecording() {
  const file = path.join(controlDir, `${process.pid}.recording.json`);
  writeFileSync(`${file}.new`, JSON.stringify(recording));
  for (;;) {
    try {
      return renameSync(`${file}.new`, file);
    } catch (error) {
      // On Windows a file cannot be replaced while it is read.
      if (process.platform !== 'win32') throw error;
    }
  }
}
