#!/usr/bin/env node
// Starts a stand-in for OpenAI, with which a real Codex CLI draws without an account. Lets users
// try out an integration in which everything but OpenAI is real.

import { rmdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

import {
  copy,
  draw,
  moderationBlocked,
  say,
  type Script,
  startBackend,
  talk,
  think,
  usageLimit,
} from '../__test__/support/loopback/backend.js';
import { briefOf } from '../__test__/support/loopback/request.js';
import { EXIT, SIGNAL_EXITS } from './failure.mjs';
import { ignoreStreamErrors } from './streams.mjs';

const HELP = `Plays OpenAI's part on 127.0.0.1: a real Codex CLI draws without an account, at no cost.

Usage: codex-image-demo-backend

It prints the variables by which a Codex finds it, and lives until Ctrl-C. A picture is a pattern
made from the words of its prompt. A prompt with the words “usage limit” or “against the rules”
fails in that way.
`;

/** Not below the temporary directory, where Codex installs no helper programs. */
const HOMES = path.join(homedir(), '.cache', 'codex-image', 'demo-backend');

const [argument] = process.argv.slice(2);
if (argument === undefined) {
  await serve();
} else if (argument === '--help' || argument === '-h') {
  process.stdout.write(HELP);
} else {
  console.error(`There are no arguments but --help: “${argument}”`);
  process.exitCode = EXIT.usage;
}

async function serve(): Promise<void> {
  const stopped = firstSignal();
  // EPIPE would end the process and leave CODEX_HOME behind.
  ignoreStreamErrors();
  const backend = await startBackend(script);
  try {
    const { env } = await backend.home({ parent: HOMES });
    process.stdout.write(instructions(backend.origin, env));
    await stopped;
  } finally {
    await backend.close();
    // A directory with other contents stays.
    for (const directory of [HOMES, path.dirname(HOMES)]) await rmdir(directory).catch(() => {});
  }
}

/** Returns the events that the stand-in sends for a prompt. */
function script(userPrompt: string): ReturnType<Extract<Script, (prompt: string) => unknown>> {
  const brief = briefOf(userPrompt);
  console.log(`Codex asks for: ${brief.replaceAll(/\s+/g, ' ')}`);
  if (/usage limit/i.test(brief)) return refusal(usageLimit());
  if (/against the rules/i.test(brief)) return refusal(moderationBlocked);
  return [think(800), draw({ ms: 2000 }), copy(), talk(3000)];
}

function refusal(failure: ReturnType<typeof usageLimit>): ReturnType<typeof script> {
  return [think(800), draw({ failure }), say('I could not draw it.')];
}

function instructions(origin: string, env: Record<string, string>): string {
  const wanted = ['CODEX_HOME', 'CODEX_CA_CERTIFICATE'];
  const lines = wanted.map((name) => `  ${assignment(name, env[name] ?? '')}`);
  return `A stand-in for OpenAI listens at ${origin}. No account is needed, and nothing is spent.
In another terminal, set these two before you start what calls Codex, such as Open Design's daemon:

${lines.join('\n')}

Then, for example:

  npx codex-image --check
  npx codex-image "an orange cat on a blue cube" -o cat.png

Ctrl-C ends it, and removes CODEX_HOME.

`;
}

/** Formats an assignment for PowerShell on Windows, for a POSIX shell elsewhere. */
function assignment(name: string, value: string): string {
  return process.platform === 'win32'
    ? `$env:${name} = '${value.replaceAll("'", "''")}'`
    : `export ${name}='${value.replaceAll("'", String.raw`'\''`)}'`;
}

function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of Object.keys(SIGNAL_EXITS)) process.on(signal, () => resolve());
  });
}
