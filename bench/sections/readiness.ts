// The time that `checkCodex` takes.

import { unlink } from 'node:fs/promises';
import path from 'node:path';

import { checkCodex } from '../../index.js';
import {
  type CodexCli,
  installCodex,
  NEWEST,
  OLDEST,
} from '../../__test__/support/real/codex-cli.js';
import { startBackend } from '../../__test__/support/loopback/backend.js';
import { makeCallEnvironment } from '../../__test__/support/load/call-environment.js';
import type { Row, Section } from '../report.js';
import { median, timed } from '../statistics.js';

const RUNS = 9;
const MOST_MS = 200;

export async function readiness(): Promise<Section> {
  return {
    title: 'Readiness',
    text:
      '`checkCodex` with the real Codex CLI. Either it reads files only, or it starts the CLI: ' +
      'for its version the first time, because a native program has no npm package around it, ' +
      'and for the login, because the home has no `auth.json`.',
    rows: [
      ...(await rowsOf(await installCodex(OLDEST))),
      ...(await rowsOf(await installCodex(NEWEST), {
        headline: '`checkCodex` where it has to start the CLI',
      })),
    ],
  };
}

async function rowsOf(
  { version, launcher, binary }: CodexCli,
  headline: Pick<Row, 'headline'> = {},
): Promise<Row[]> {
  const backend = await startBackend([]);
  const callEnv = await makeCallEnvironment(await backend.home());
  try {
    const { env } = callEnv;
    const times = async (codexPath: string): Promise<number[]> => {
      const all: number[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        all.push(await timed(() => checkCodex({ codexPath, env })));
      }
      return all;
    };
    const fromFiles = median(await times(launcher));
    await unlink(path.join(env['CODEX_HOME'] ?? '', 'auth.json'));
    return [
      {
        what: `${version}: by starting the CLI`,
        ...headline,
        unit: 'ms',
        ours: median(await times(binary)),
        peer: { name: 'from files', value: fromFiles },
        compared: 'difference',
        limit: { of: 'ours', most: MOST_MS },
        runs: RUNS,
      },
    ];
  } finally {
    await callEnv.remove();
    await backend.close();
  }
}
