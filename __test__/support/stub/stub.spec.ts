// What the specs rely on without seeing it: the stub does what its steps order.

import { expect } from 'vitest';

import { PICTURE } from '../image/small-png.js';
import { save, turn } from './steps.js';
import { test } from './stub.js';
import type { StubScript } from './stub-script.js';
import { STUB_SCRIPT } from './stub-program.js';

test('the stub runs behind a launcher if `behindLauncher` is set', async ({ codex }) => {
  const script: StubScript = { behindLauncher: true, exec: turn(save('workspace', PICTURE)) };
  expect(await codex.generate(script)).toEqual(PICTURE);
  const { program, env } = await codex.turn();
  expect(program).toBe(STUB_SCRIPT);
  expect(env).toHaveProperty('STUB_IS_INNER');
});
