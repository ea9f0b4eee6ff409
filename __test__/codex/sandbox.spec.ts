// Platforms and environments in which Codex's own sandbox does not work.

import { afterEach, describe, expect, test, vi } from 'vitest';

import { codexNeedsDangerFullAccessSandbox } from '../../index.js';

test.each<[platform: string, env: Record<string, string | undefined>, needed: boolean]>([
  ['linux', {}, false],
  ['darwin', {}, false],
  ['freebsd', {}, false],
  ['win32', {}, true],
  ['linux', { WSL_DISTRO_NAME: 'Ubuntu' }, true],
  ['linux', { WSL_DISTRO_NAME: '' }, false],
  ['linux', { WSL_DISTRO_NAME: '  ' }, false],
  ['linux', { WSL_DISTRO_NAME: undefined }, false],
  ['linux', { OD_CODEX_SANDBOX: 'danger-full-access' }, true],
  ['darwin', { OD_CODEX_SANDBOX: 'danger-full-access' }, true],
  ['linux', { OD_CODEX_SANDBOX: 'workspace-write' }, false],
  ['linux', { OD_CODEX_SANDBOX: 'read-only' }, false],
  ['linux', { OD_CODEX_SANDBOX: 'yes' }, false],
  ['linux', { OD_CODEX_SANDBOX: '' }, false],
  ['win32', { OD_CODEX_SANDBOX: 'workspace-write' }, true],
  ['linux', { OD_CODEX_SANDBOX: 'workspace-write', WSL_DISTRO_NAME: 'Ubuntu' }, true],
])(
  'codexNeedsDangerFullAccessSandbox returns by the platform and the environment: %s %o: %s',
  (platform, env, needed) => {
    expect(codexNeedsDangerFullAccessSandbox(platform, env)).toBe(needed);
  },
);

describe('codexNeedsDangerFullAccessSandbox without arguments', () => {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;
  afterEach(() => {
    vi.unstubAllEnvs();
    Object.defineProperty(process, 'platform', platform);
  });

  test('reads the environment of this process', () => {
    vi.stubEnv('WSL_DISTRO_NAME', undefined);
    vi.stubEnv('OD_CODEX_SANDBOX', undefined);
    expect(codexNeedsDangerFullAccessSandbox('linux')).toBe(false);
    vi.stubEnv('OD_CODEX_SANDBOX', 'danger-full-access');
    expect(codexNeedsDangerFullAccessSandbox('linux')).toBe(true);
    expect(codexNeedsDangerFullAccessSandbox()).toBe(true);
  });

  test('reads the platform of this process', () => {
    Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
    expect(codexNeedsDangerFullAccessSandbox(undefined, {})).toBe(true);
    Object.defineProperty(process, 'platform', { ...platform, value: 'linux' });
    expect(codexNeedsDangerFullAccessSandbox(undefined, {})).toBe(false);
  });

  test('reads a given environment alone', () => {
    vi.stubEnv('OD_CODEX_SANDBOX', 'danger-full-access');
    expect(codexNeedsDangerFullAccessSandbox('linux', {})).toBe(false);
  });
});
