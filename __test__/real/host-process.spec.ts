// The host process is killed while the real Codex CLI runs a tool of the agent, in its sandbox and
// without one.

import { describe, expect, onTestFinished } from 'vitest';

import { HostProcess, KILLED } from '../support/process/host-process.js';
import { draw, say, shell } from '../support/loopback/backend.js';
import { PICTURE, test } from '../support/real/real.js';
import { CODE, HOSTED, SANDBOXES_WITH_SHELL } from '../support/real/variants.js';
import { POLLING } from '../support/process/survivors.js';

const TOOL = 'sleep 600';
describe.for(SANDBOXES_WITH_SHELL)('a host process that is killed in the sandbox %s', (sandbox) => {
  test.for([HOSTED, CODE])(
    'leaves no process, and the next one removes the run directory: $name',
    async (variant, { real }) => {
      real.backend.play([shell(TOOL), say('Done.')]);
      const host = new HostProcess(real.options(variant, { sandbox }));
      onTestFinished(() => host.kill());
      await real.runs(TOOL);
      expect(await host.die('SIGKILL')).toEqual(KILLED);
      await expect.poll(() => real.survivors(), POLLING).toEqual([]);
      const picture = await real.generate(variant, [draw({ image: PICTURE }), say('Done.')]);
      expect(Buffer.compare(picture, PICTURE)).toBe(0);
    },
  );
});
