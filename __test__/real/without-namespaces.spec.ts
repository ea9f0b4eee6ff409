// A system that forbids user namespaces, as Ubuntu 24.04 does by AppArmor: Codex's sandbox cannot
// start there (openai/codex#15057).

import { describe, expect } from 'vitest';

import { copy, draw, say } from '../support/loopback/backend.js';
import {
  generateInOwnProcess,
  mayForbidNamespaces,
  WITHOUT_NAMESPACES,
} from '../support/process/own-process.js';
import { PICTURE, test } from '../support/real/real.js';
import { toolOutputsIn } from '../support/real/recorded-requests.js';
import { VARIANTS } from '../support/real/variants.js';

describe.skipIf(!mayForbidNamespaces()).for(VARIANTS)(
  'Codex $name where its sandbox cannot start',
  (variant) => {
    test("draws, though the agent's shell fails", async ({ real }) => {
      real.backend.play([draw({ image: PICTURE }), copy(), say('Done.')]);
      const options = real.options(variant, { sandbox: 'workspace-write', completion: 'exit' });
      const outcome = await generateInOwnProcess(options, WITHOUT_NAMESPACES);
      expect(outcome).toMatchObject({ image: { source: 'store' } });
      expect(toolOutputsIn(real.modelCalls().at(-1)).at(-1)).toMatch(/namespace/);
    });
  },
);
