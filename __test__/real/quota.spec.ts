// The app-server of the real CLI tells what is left of the limits of the loopback account.

import { access, readFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { checkCodex, type Readiness } from '../../index.js';
import { accountUsage } from '../support/loopback/backend.js';
import { installCodex, NEWEST, OLDEST } from '../support/real/codex-cli.js';
import { type RealCodex, test } from '../support/real/real.js';

const RESETS_AT = Math.floor(Date.now() / 1000) + 3600;

async function check(real: RealCodex, version: string): Promise<Readiness> {
  const { launcher } = await installCodex(version);
  const found = await checkCodex({ codexPath: launcher, env: real.env, quota: true });
  await real.expectNothingLeft();
  return found;
}

/** What the CLI asked the backend for, without queries and repetitions. */
function asked(real: RealCodex): string[] {
  const paths = real.backend.requests.map(({ method, path: url }) => `${method} ${url}`);
  return [...new Set(paths.map((line) => line.replace(/\?.*/, '').replace('/backend-api', '')))];
}

describe.for([OLDEST, NEWEST])('Codex %s', (version) => {
  test('tells the limits, asks for nothing else, and starts no server', async ({ real }) => {
    const marks = path.join(real.scratch, 'started');
    const script = `touch '${marks}'; cat`;
    const server = `[mcp_servers.mine]\ncommand = "sh"\nargs = ["-c", "${script}"]\n`;
    await real.moveTo({ config: `notify = ["touch", "${marks}"]\n${server}` });
    const login = path.join(real.home.path, 'auth.json');
    const [before, config] = await Promise.all([readFile(login), configOf(real)]);
    real.backend.accountUsage = accountUsage(RESETS_AT);

    const { ready, quota } = await check(real, version);
    expect(ready).toBe(true);
    const resetsAt = new Date(RESETS_AT * 1000);
    expect(quota).toEqual({
      limits: [
        { id: 'codex', window: 'primary', usedPercent: 42, windowMinutes: 300, resetsAt },
        {
          id: 'codex',
          window: 'secondary',
          usedPercent: 5,
          windowMinutes: 10_080,
          resetsAt: new Date((RESETS_AT + 3600) * 1000),
        },
        {
          id: 'a_model',
          name: 'A model',
          window: 'primary',
          usedPercent: 99,
          windowMinutes: 1440,
          resetsAt,
        },
      ],
      plan: 'plus',
      credits: { available: true, unlimited: false, balance: '12.5' },
    });
    const known = new Set([
      'GET /codex/models',
      'GET /wham/accounts/check',
      'GET /wham/rate-limit-reset-credits',
      'GET /wham/usage',
    ]);
    expect(asked(real)).toContain('GET /wham/usage');
    expect(asked(real).filter((line) => !known.has(line))).toEqual([]);
    expect(await readFile(login)).toEqual(before);
    expect(await configOf(real)).toBe(config);
    await expect(access(marks)).rejects.toThrow('ENOENT');
  });

  test('cannot tell the limits if the backend refuses', async ({ real }) => {
    const { ready, problems, quota } = await check(real, version);
    expect({ ready, problems }).toEqual({ ready: true, problems: [] });
    expect(quota).toMatchObject({ limits: [], unknown: { code: 'BACKEND_ERROR' } });
    expect(JSON.stringify(quota)).not.toContain('127.0.0.1');
  });

  test.for([
    ['none', 'NOT_SIGNED_IN'],
    ['api-key', 'API_KEY_LOGIN'],
  ] as const)('is not asked with the login %s', async ([login, code], { real }) => {
    await real.moveTo({ login });
    const { quota } = await check(real, version);
    expect(quota).toMatchObject({ limits: [], unknown: { code } });
    expect(real.backend.requests).toEqual([]);
  });
});

function configOf(real: RealCodex): Promise<string> {
  return readFile(path.join(real.home.path, 'config.toml'), 'utf8');
}
