// Every supported version of the real Codex CLI, case by case. COMPATIBILITY.md has the outcomes.

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';

import { afterAll, describe, expect, type ExpectStatic } from 'vitest';

import type { GeneratedImage, OnProgress } from '../../../index.js';
import { type RealCodex, test } from '../../support/real/real.js';
import { expectedWarnings } from '../../support/real/variants.js';
import { failure } from '../../support/call/outcome.js';
import { CASES, type Delivered, type Outcome, type Refused, type Run, storeOf } from './cases.js';
import { compatibility, FILE, inWords, table } from './document.js';
import { type Version, VERSIONS } from './versions.js';

/** The file for the rows of the requested versions. */
const ROWS = process.env['CODEX_IMAGE_TEST_ROWS'];

const cells = new Map<string, Outcome[]>();
/** Cells with an unexpected outcome. */
const changed = new Set<string>();

describe.concurrent('the real CLI', () => {
  for (const version of VERSIONS) {
    for (const { name, runs } of CASES) {
      const cell = `${version.name}, ${name}`;
      test(`has the outcomes of its cell: ${cell}`, async ({ real, expect }) => {
        const outcomes: Outcome[] = [];
        cells.set(cell, outcomes);
        changed.add(cell);
        for (const run of runs) {
          await perform(run, version, real, expect, (outcome) => outcomes.push(outcome));
        }
        changed.delete(cell);
      });
    }
  }
});

test.skipIf(ROWS !== undefined)('COMPATIBILITY.md has these outcomes', async () => {
  expect([...changed], 'cells that failed').toEqual([]);
  const text = await compatibility(
    (version, name) => cells.get(`${version}, ${name}`) ?? expect.unreachable('a cell is missing'),
  );
  await expect(text).toMatchFileSnapshot(FILE);
});

afterAll(async () => {
  if (ROWS === undefined) return;
  const words = (version: string, name: string): string => {
    const cell = `${version}, ${name}`;
    const text = inWords(cells.get(cell) ?? []);
    return changed.has(cell) ? `**${text || 'failed'}**` : text;
  };
  await writeFile(
    ROWS,
    table(
      VERSIONS.map(({ name }) => name),
      words,
    ),
  );
});

/** Reports the outcome, and rejects if it is not exactly the expected one. */
async function perform(
  { config, script, options, meanwhile, asked, expected }: Run,
  version: Version,
  real: RealCodex,
  expect: ExpectStatic,
  tell: (outcome: Outcome) => void,
): Promise<void> {
  const outcome = expected(version);
  if (config !== undefined) await real.moveTo({ config });
  const steps = typeof script === 'function' ? await script(real) : script;
  const chosen = typeof options === 'function' ? await options(real) : options;
  const { seen, onProgress } = firstImage();
  const call = real.generateDetailed(version, steps, chosen, onProgress);
  const arrived = 'code' in outcome ? refused(outcome) : delivered(outcome);
  try {
    await Promise.all([arrived, meanwhile?.(real, seen)]);
    await real.expectNothingLeft();
    asked?.(real, version, expect);
    tell(outcome);
  } catch (error) {
    tell(await outcomeOf(call));
    throw error;
  }

  async function delivered({ png, source, verified }: Delivered): Promise<void> {
    const image = await call;
    const [threadId, codexVersion] = [real.threadId(), version.cli.version];
    const { confined, warnings } = expectedWarnings(version.cli, chosen?.sandbox);
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

/** Returns the outcome of the call, expected or not. */
async function outcomeOf(call: Promise<GeneratedImage>): Promise<Outcome> {
  try {
    const { png, source, verified } = await call;
    return { png, source, verified };
  } catch {
    return { code: (await failure(call)).code };
  }
}

/** Resolves `seen` when an image begins to arrive. */
function firstImage(): { seen: Promise<void>; onProgress: OnProgress } {
  let tell = (): void => {};
  const seen = new Promise<void>((resolve) => (tell = resolve));
  return { seen, onProgress: (_message, { phase }) => phase === 'image' && tell() };
}
