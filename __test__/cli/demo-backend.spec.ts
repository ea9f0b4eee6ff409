// The built `codex-image-demo-backend`, as npm installs it.

import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect } from 'vitest';

import { checkCodex, generateCodexImageDetailed } from '../../index.js';
import { DemoBackend } from '../support/cli/demo-backend.js';
import { makeCertificate } from '../support/loopback/certificate.js';
import { WINDOWS } from '../support/platform.js';
import { type RealCodex, test as realTest } from '../support/real/real.js';
import { CODE, HOSTED } from '../support/real/variants.js';

const COMMAND = fileURLToPath(new URL('../../dist/demo-backend.mjs', import.meta.url));

const test = realTest.extend<{ demo: DemoBackend }>({
  demo: async ({ real }, use) => {
    const demo = await DemoBackend.start(COMMAND, real.env);
    await use(demo);
    await demo.stop();
  },
});

/** Has the printed variables, and no other Codex home. */
function environment(real: RealCodex, demo: DemoBackend): Record<string, string> {
  const inherited = Object.entries(real.env).filter(([name]) => !/^(CODEX_|SSL_)/.test(name));
  return { ...Object.fromEntries(inherited), CODEX_IMAGE_TEST_RUN: real.marker, ...demo.env };
}

describe.for([HOSTED, CODE])('the demo backend with Codex $name', (variant) => {
  test('needs two variables for an image', async ({ demo, real }) => {
    expect(Object.keys(demo.env)).toEqual(['CODEX_HOME', 'CODEX_CA_CERTIFICATE']);
    const env = environment(real, demo);
    expect(await checkCodex({ codexPath: variant.cli.launcher, env })).toMatchObject({
      ready: true,
      login: 'chatgpt',
    });
    const image = await generateCodexImageDetailed({
      prompt: 'an orange cat\non a blue cube',
      codexPath: variant.cli.launcher,
      env,
    });
    expect(image).toMatchObject({ width: 1254, height: 1254, source: 'store' });
    expect(demo.lines.at(-1)).toBe('Codex asks for: an orange cat on a blue cube');
  });

  test.for([
    ['a fox, usage limit', 'USAGE_LIMIT'],
    ['a fox against the rules', 'SAFETY_REJECTED'],
  ])('fails as the prompt says: %s', async ([prompt = '', code], { demo, real }) => {
    const options = { prompt, codexPath: variant.cli.launcher, env: environment(real, demo) };
    await expect(generateCodexImageDetailed(options)).rejects.toMatchObject({ code });
  });
});

test('the demo backend removes its files when it ends', async ({ demo, real }) => {
  const { CODEX_HOME = '' } = demo.env;
  expect(path.relative(real.user, CODEX_HOME)).toMatch(/^\.cache/);
  expect(existsSync(CODEX_HOME)).toBe(true);
  await demo.stop();
  // Windows ends a process without notice.
  if (WINDOWS) return;
  expect(demo.child.exitCode).toBe(0);
  expect(await readdir(path.join(real.user, '.cache'))).toEqual([]);
});

test('the demo backend outlives the reader of its output', async ({ demo, real }) => {
  demo.child.stdout?.destroy();
  const options = { codexPath: HOSTED.cli.launcher, env: environment(real, demo) };
  for (const prompt of ['a red fox', 'a blue fox']) {
    const { width } = await generateCodexImageDetailed({ ...options, prompt });
    expect(width).toBe(1254);
  }
  await demo.stop();
  if (!WINDOWS) expect(demo.child.exitCode).toBe(0);
});

test('the certificate of the demo backend is valid for 127.0.0.1 only', () => {
  const { ca, cert } = makeCertificate();
  const [authority, server] = [new X509Certificate(ca), new X509Certificate(cert)];
  expect(authority.ca).toBe(true);
  expect(server.ca).toBe(false);
  expect(server.checkIssued(authority)).toBe(true);
  expect(server.verify(authority.publicKey)).toBe(true);
  expect(authority.verify(authority.publicKey)).toBe(true);
  expect(server.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(server.checkIP('127.0.0.2')).toBeUndefined();
  expect(server.checkHost('localhost')).toBeUndefined();
  for (const { validFrom, validTo } of [authority, server]) {
    expect(Date.parse(validFrom)).toBeLessThan(Date.now());
    expect(Date.parse(validTo)).toBeGreaterThan(Date.now());
  }
});
