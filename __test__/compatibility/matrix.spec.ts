// Every supported version of the real Codex CLI, case by case. What came of it stands in COMPATIBILITY.md.

import { existsSync } from 'node:fs';

import { describe, expect, type ExpectStatic } from 'vitest';

import type { OnProgress } from '../../index.js';
import { misgivings, type RealCodex, test } from '../support/real.js';
import { failure } from '../support/stub.js';
import { CASES, type Delivered, type Outcome, type Refused, type Run, storeOf } from './cases.js';
import { compatibility, FILE } from './document.js';
import { type Version, VERSIONS } from './versions.js';

const cells = new Map<string, Outcome[]>();

describe.concurrent('the real CLI', () => {
  for (const version of VERSIONS) {
    for (const { name, runs } of CASES) {
      const cell = `${version.name}, ${name}`;
      test(cell, async ({ real, expect }) => {
        const outcomes: Outcome[] = [];
        for (const run of runs) outcomes.push(await perform(run, version, real, expect));
        cells.set(cell, outcomes);
      });
    }
  }
});

test('COMPATIBILITY.md says what has just been seen', async () => {
  const text = await compatibility(
    (version, name) => cells.get(`${version}, ${name}`) ?? expect.unreachable('a cell failed'),
  );
  await expect(text).toMatchFileSnapshot(FILE);
});

/** Resolves with the outcome if it is the expected one in every respect. */
async function perform(
  { config, script, options, meanwhile, asked, expected }: Run,
  version: Version,
  real: RealCodex,
  expect: ExpectStatic,
): Promise<Outcome> {
  const outcome = expected(version);
  if (config !== undefined) await real.moveTo({ config });
  const steps = typeof script === 'function' ? await script(real) : script;
  const chosen = typeof options === 'function' ? await options(real) : options;
  const { seen, onProgress } = firstSight();
  const call = real.generateDetailed(version, steps, chosen, onProgress);
  const arrived = 'code' in outcome ? refused(outcome) : delivered(outcome);
  await Promise.all([arrived, meanwhile?.(real, seen)]);
  await real.expectNothingLeft();
  asked?.(real, version, expect);
  return outcome;

  async function delivered({ png, source, verified }: Delivered): Promise<void> {
    const image = await call;
    const [threadId, codexVersion] = [real.threadId(), version.cli.version];
    const { confined, warnings } = misgivings(version.cli, chosen?.sandbox);
    const expectedImage = {
      source,
      verified: verified && confined,
      threadId,
      codexVersion,
      warnings,
    };
    expect(image).toMatchObject(expectedImage);
    expect(Buffer.compare(image.png, png)).toBe(0);
    if (source === 'rollout') expect(existsSync(storeOf(real))).toBe(false);
  }

  async function refused({ code, because = '' }: Refused): Promise<void> {
    const error = await failure(call);
    expect(error).toMatchObject({ code });
    expect(error.threadId).toBe(real.threadId());
    expect(error.detail ?? '').toContain(because);
  }
}

/** Resolves `seen` when a picture begins to arrive. */
function firstSight(): { seen: Promise<void>; onProgress: OnProgress } {
  let tell = (): void => {};
  const seen = new Promise<void>((resolve) => (tell = resolve));
  return { seen, onProgress: (_message, { phase }) => phase === 'image' && tell() };
}
