// Where homes for tests are made. A process decides it, with another checkout, another HOME and
// another directory for temporary files.

import { execFileSync } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, onTestFinished, test } from 'vitest';

import { makeHomeDirectory } from './homes.mjs';
import { directories, WINDOWS } from './platform.js';

interface Directories {
  checkout: string;
  user: string;
  temporary: string;
}

/** Makes directories outside of the temporary one, or below `elsewhere`. */
async function makeDirectories(elsewhere?: string): Promise<Directories> {
  const root = await realpath(elsewhere ?? makeHomeDirectory());
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const at = (name: string): string => path.join(root, name);
  const made = { checkout: at('checkout'), user: at('user'), temporary: at('tmp') };
  for (const directory of Object.values(made)) await mkdir(directory);
  return made;
}

/** Returns the directory that is made in a checkout that has only this module. */
async function homeMadeIn({ checkout, user, temporary }: Directories): Promise<string> {
  const module = path.join(checkout, '__test__', 'support', 'homes.mjs');
  await cp(new URL('homes.mjs', import.meta.url), module, { recursive: true });
  const url = JSON.stringify(pathToFileURL(module));
  const script = `import { makeHomeDirectory } from ${url}; console.log(makeHomeDirectory());`;
  const env = { ...process.env, ...directories(user, temporary) };
  const options = { env, encoding: 'utf8', stdio: 'pipe' } as const;
  const args = ['--input-type=module', '--eval', script];
  return path.dirname(execFileSync(process.execPath, args, options).trimEnd());
}

test("a home for tests lies in the checkout's cache", async () => {
  const ours = await makeDirectories();
  expect(await homeMadeIn(ours)).toBe(path.join(ours.checkout, '.cache', 'homes'));
});

describe('a home for tests', () => {
  test("lies in the user's home if the checkout is below the temporary directory", async () => {
    const ours = await makeDirectories();
    const checkout = path.join(ours.temporary, 'checkout');
    expect(await homeMadeIn({ ...ours, checkout })).toBe(ours.user);
  });

  test.skipIf(WINDOWS).for(['/tmp', '/var/tmp'])(
    "lies in the user's home if the checkout is below %s, whatever TMPDIR says",
    async (temporary) => {
      const { user } = await makeDirectories();
      const below = await makeDirectories(await mkdtemp(path.join(temporary, 'codex-image-test-')));
      expect(await homeMadeIn({ ...below, user })).toBe(user);
    },
  );

  // By its mode, which Windows does not have.
  test.skipIf(WINDOWS)(
    "lies in the user's home if other users can exchange what the checkout has",
    async () => {
      const ours = await makeDirectories();
      await chmod(ours.checkout, 0o777);
      expect(await homeMadeIn(ours)).toBe(ours.user);
    },
  );
});

test('a home for tests cannot be made if both are below the temporary directory', async () => {
  const ours = await makeDirectories();
  const [checkout, user] = [path.join(ours.temporary, 'checkout'), ours.temporary];
  await expect(homeMadeIn({ ...ours, checkout, user })).rejects.toThrow(
    /There is no place .* Set /,
  );
});
