// Without free descriptors or threads the addon still loads, and a call rejects.

import { describe, expect } from 'vitest';

import { inOwnRealm, type CallEnd } from '../support/process/own-realm.js';
import { LINUX, NOWHERE, WINDOWS } from '../support/platform.js';
import { PICTURE } from '../support/image/small-png.js';
import { save, turn } from '../support/stub/steps.js';
import { test } from '../support/stub/stub.js';

const DRAWN = { resolved: PICTURE.toString('base64') };

// Windows has no limit of handles that a process could reach.
describe.skipIf(WINDOWS)('a lack of descriptors', () => {
  /**
   * `takeAllBut(free)` opens files until only that many descriptors are free. `giveBack` closes
   * them.
   */
  const TAKE = `
    const { openSync, closeSync } = require('node:fs');
    const taken = [];
    const giveBack = () => { for (const descriptor of taken.splice(0)) closeSync(descriptor); };
    const takeAllBut = (free) => {
      try { for (;;) taken.push(openSync('/dev/null')); } catch {}
      for (const descriptor of taken.splice(taken.length - free)) closeSync(descriptor);
    };`;
  const FEW = { descriptors: 100 };

  test.for([2, 3, 4, 5])(
    'lets the addon load and a call reject with %i free',
    async (free, { codex }) => {
      await codex.play(turn(save('workspace', PICTURE)));
      const program = `
      ${TAKE}
      takeAllBut(${free});
      const { generateCodexImage, checkCodex } = load();
      const refused = [
        await told(() => generateCodexImage(options)),
        await told(() => checkCodex({ codexHome: ${JSON.stringify(NOWHERE)} })),
      ];
      giveBack();
      return [...refused, await told(() => generateCodexImage(options))];`;
      const refused = {
        code: 'SPAWN_FAILED',
        retryable: true,
        message: expect.stringContaining('Too many open files'),
      };
      expect(await inOwnRealm(program, codex.options(), FEW)).toMatchObject([
        { rejected: refused },
        { rejected: refused },
        DRAWN,
      ]);
    },
  );

  test('lets a call end with any number free, and the next one succeed', async ({ codex }) => {
    await codex.play(turn(save('workspace', PICTURE)));
    const program = `
      ${TAKE}
      const { generateCodexImage } = load();
      const ends = [];
      for (let free = 0; free <= 30; free += 1) {
        takeAllBut(free);
        ends.push(await told(() => generateCodexImage(options)));
        giveBack();
      }
      return [...ends, await told(() => generateCodexImage(options))];`;
    const ends = await inOwnRealm(program, codex.options(), FEW);
    const codes = ends.map((end) =>
      typeof end === 'object' && 'rejected' in end ? end.rejected.code : 'a picture',
    );
    expect(codes.slice(0, 6)).toEqual(Array(6).fill('SPAWN_FAILED'));
    for (const code of codes)
      expect(['SPAWN_FAILED', 'WORKSPACE_FAILED', 'a picture']).toContain(code);
    expect(ends.at(-1)).toEqual(DRAWN);
  });
});

// The limit counts the threads of a user. root has none.
describe.runIf(LINUX)('a lack of threads', () => {
  /** `leave(free)` allows this user that many more threads. */
  const LEAVE = `
    const { readdirSync, readFileSync } = require('node:fs');
    const { spawnSync } = require('node:child_process');
    const threadsOf = (user) => {
      let count = 0;
      for (const pid of readdirSync('/proc').filter(Number)) {
        try {
          const status = readFileSync('/proc/' + pid + '/status', 'utf8');
          if (Number(/^Uid:\\t(\\d+)/m.exec(status)[1]) === user) count += Number(/^Threads:\\t(\\d+)/m.exec(status)[1]);
        } catch {}
      }
      return count;
    };
    const leave = (free) => {
      const user = process.getuid() === 0 ? 65534 : process.getuid();
      const limit = threadsOf(user) + free + (user === process.getuid() ? 0 : threadsOfThis());
      const { status } = spawnSync('prlimit', ['--pid', String(process.pid), '--nproc=' + limit]);
      if (status !== 0) throw new Error('prlimit is missing');
      if (user !== process.getuid()) process.setuid(user);
    };
    const threadsOfThis = () => readdirSync('/proc/self/task').length;`;
  const OPTIONS = { prompt: 'a red fox', codexPath: process.execPath };

  test('lets the addon load and a call reject', async () => {
    const program = `
      ${LEAVE}
      const before = threadsOfThis();
      const { generateCodexImage, checkCodex } = load();
      const started = threadsOfThis() - before;
      leave(0);
      return { started, ends: [
        await told(() => generateCodexImage(options)),
        await told(() => checkCodex({ codexHome: ${JSON.stringify(NOWHERE)} })),
        await told(() => generateCodexImage({ ...options, timeoutMs: -1 })),
      ] };`;
    type Outcome = { started: number; ends: CallEnd[] };
    const { started, ends } = await inOwnRealm<Outcome>(program, OPTIONS);
    expect(started).toBe(0);
    const refused = {
      code: 'SPAWN_FAILED',
      retryable: true,
      message: expect.stringContaining('Resource temporarily unavailable'),
    };
    expect(ends).toMatchObject([
      { rejected: refused },
      { rejected: refused },
      { rejected: { code: 'INVALID_OPTIONS' } },
    ]);
  });

  // Other processes of the user may take some of them. The call ends in any case.
  test.for([1, 2, 3, 4, 5, 6, 7, 8])('lets checkCodex settle with %i free', async (free) => {
    const program = `
      ${LEAVE}
      const { checkCodex } = load();
      leave(${free});
      return [await told(() => checkCodex({ env: { PATH: '' }, codexHome: ${JSON.stringify(NOWHERE)} }))];`;
    const [end] = await inOwnRealm(program, OPTIONS);
    if (typeof end === 'object' && 'rejected' in end) {
      expect(end.rejected).toMatchObject({ code: 'SPAWN_FAILED', retryable: true });
    } else {
      expect(end).toMatchObject({ resolved: { ready: expect.any(Boolean) } });
    }
  });
});
