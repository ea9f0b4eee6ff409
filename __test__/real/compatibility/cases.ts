// The columns of COMPATIBILITY.md: what the model does, and the expected outcome with each version.

import { existsSync } from 'node:fs';
import { appendFile, mkdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';

import type { ExpectStatic } from 'vitest';

import type { CodexImageErrorCode, GeneratedImage, GenerateOptions } from '../../../index.js';
import {
  copy,
  draw,
  escalate,
  fail,
  say,
  shell,
  type Step,
  think,
  usageLimit,
} from '../../support/loopback/backend.js';
import { makePng } from '../../support/image/picture.js';
import type { RealCodex } from '../../support/real/real.js';
import type { Version } from './versions.js';

export interface Case {
  name: string;
  /** What happens in it, in sentences. */
  description: string;
  /** One after another in the same home. */
  runs: readonly Run[];
}

export interface Run {
  /** Added to the user's config.toml. */
  config?: string;
  script: readonly Step[] | ((real: RealCodex) => Promise<readonly Step[]>);
  options?: Partial<GenerateOptions> | ((real: RealCodex) => Promise<Partial<GenerateOptions>>);
  /** What the backend must have received. */
  asked?: (real: RealCodex, version: Version, expect: ExpectStatic) => void;
  /** What another process does meanwhile. `arriving` resolves with the first bytes of an image. */
  meanwhile?: (real: RealCodex, arriving: Promise<void>) => Promise<void>;
  expected: (version: Version) => Outcome;
}

export type Outcome = Delivered | Refused;

export interface Delivered {
  png: Buffer;
  source: GeneratedImage['source'];
  verified: boolean;
}

export interface Refused {
  code: CodexImageErrorCode;
  /** What the error's detail shows of the reason. */
  because?: string;
}

const FIRST = makePng({ width: 96, height: 64, seed: 1 });
const HALF = FIRST.subarray(0, FIRST.length / 2);
const SECOND = makePng({ width: 96, height: 64, seed: 2 });
const CUT_OUT = makePng({ width: 96, height: 64, alpha: true });
const REFERENCES = [3, 4].map((seed) => makePng({ width: 48, height: 32, seed }));
/** Longer than any test. */
const ENDLESS_MS = 600_000;

const YESTERDAY = new Date(Date.now() - 24 * 60 * 60 * 1000);

const DONE = say('Done.');
const SORRY = say('I tried to draw it with the built-in tool, but the call failed.');

const inStore = (png: Buffer): Delivered => ({ png, source: 'store', verified: true });
const inRollout = (png: Buffer): Delivered => ({ png, source: 'rollout', verified: true });
const copied = (png: Buffer): Delivered => ({ png, source: 'workspace', verified: true });
const unverified = (png: Buffer): Delivered => ({ png, source: 'workspace', verified: false });
const refused = (code: CodexImageErrorCode, because?: string): Refused => ({
  code,
  ...(because !== undefined && { because }),
});

/**
 * An agent that leaves an image which is not from image_gen, with and without `requireVerified`.
 */
function unverifiedThenRefused(script: Run['script']): Run[] {
  return [
    { script, expected: () => unverified(FIRST) },
    { script, options: { requireVerified: true }, expected: () => refused('NO_IMAGE') },
  ];
}

/** The directory of a thread's images, by default of the last one that ran. */
export function storeOf(real: RealCodex, thread = real.threadId() ?? ''): string {
  return path.join(real.home.path, 'generated_images', thread);
}

/** With this alone, 0.169.0 and 0.171.0 exit with 1. */
const UNTRUSTED = 'approval_policy = "untrusted"';

/** A file outside of all directories that the sandbox lets the agent write to. */
function leftOutside(real: RealCodex): string {
  return path.join(real.scratch, 'left-outside');
}

/** An image from yesterday, in the store of its own thread, for the agent to copy. */
async function reuse(real: RealCodex): Promise<readonly Step[]> {
  const directory = storeOf(real, '01a202f5-609c-72c1-8213-7ba33eb17046');
  const older = path.join(directory, 'older.png');
  await mkdir(directory, { recursive: true });
  await writeFile(older, FIRST);
  await utimes(older, YESTERDAY, YESTERDAY);
  return [shell(`cp -p '${older}' od-codex-image.png`), DONE];
}

/**
 * Writes an image into the thread's store like a slow disk: the rest once the beginning was seen.
 */
async function grow(real: RealCodex, arriving: Promise<void>): Promise<void> {
  await real.modelCalled();
  const file = path.join(storeOf(real), 'growing.png');
  await mkdir(storeOf(real), { recursive: true });
  await writeFile(file, HALF);
  await real.during(arriving);
  await appendFile(file, FIRST.subarray(HALF.length));
}

/** The caller's reference images. */
async function withReferences(real: RealCodex): Promise<Partial<GenerateOptions>> {
  const referenceImages = REFERENCES.map((_, n) => path.join(real.scratch, `mine ${n}.png`));
  await Promise.all(referenceImages.map((file, n) => writeFile(file, REFERENCES[n] ?? '')));
  return { referenceImages };
}

/** Each of them once, in order. */
function carriesReferences(body: unknown, expect: ExpectStatic): void {
  const sent = [...JSON.stringify(body).matchAll(/"data:image\/png;base64,([^"]+)"/g)];
  expect(sent.map(([, base64]) => base64)).toEqual(REFERENCES.map((png) => png.toString('base64')));
}

export const CASES: readonly Case[] = [
  {
    name: 'hosted tool',
    description:
      "OpenAI's backend draws while the model answers. Versions that do not offer this tool record such an image as well, but save no file.",
    runs: [
      {
        script: [draw({ route: 'hosted', image: FIRST }), copy(), DONE],
        expected: ({ hosted }) => (hosted ? inStore(FIRST) : inRollout(FIRST)),
      },
    ],
  },
  {
    name: 'direct tool',
    description:
      "The model, `gpt-5.5`, calls Codex's own tool, and Codex requests the image. Older versions have no such tool, and report that.",
    runs: [
      {
        script: [draw({ route: 'direct', image: FIRST }), copy(), SORRY],
        options: { model: 'gpt-5.5' },
        expected: ({ hosted }) =>
          hosted ? refused('IMAGE_GEN_UNAVAILABLE', 'unsupported call') : inStore(FIRST),
      },
    ],
  },
  {
    name: 'code mode',
    description:
      'The model calls that tool from a JavaScript cell, as newer default models do. Older versions have no cells, and report that.',
    runs: [
      {
        script: [draw({ route: 'code', image: FIRST }), copy(), SORRY],
        expected: ({ hosted }) =>
          hosted ? refused('NO_IMAGE', 'unsupported custom tool call') : inStore(FIRST),
      },
    ],
  },
  {
    name: 'reported, not saved',
    description:
      "The hosted tool's image arrives with the status `generating`. 0.140 then saves no file, nor do versions that do not offer the hosted tool.",
    runs: [
      {
        script: [draw({ route: 'hosted', status: 'generating', image: FIRST }), copy(), DONE],
        expected: ({ savesUnfinished }) => (savesUnfinished ? inStore(FIRST) : inRollout(FIRST)),
      },
    ],
  },
  {
    name: 'two images',
    description:
      "The model draws twice and copies the second image. The first is returned, or with `completion: 'exit'` the copy.",
    runs: [
      {
        script: [draw({ image: FIRST }), draw({ image: SECOND }), copy(), DONE],
        expected: () => inStore(FIRST),
      },
      {
        script: [draw({ image: FIRST }), draw({ image: SECOND }), copy(), DONE],
        options: { completion: 'exit' },
        expected: () => copied(SECOND),
      },
    ],
  },
  {
    name: 'saved, then failed',
    description:
      "The image is saved, and then the turn fails at the usage limit. The image is returned, but not with `completion: 'exit'`.",
    runs: [
      {
        script: [draw({ image: FIRST }), fail(usageLimit())],
        expected: () => inStore(FIRST),
      },
      {
        script: [draw({ image: FIRST }), fail(usageLimit())],
        options: { completion: 'exit' },
        expected: () => refused('USAGE_LIMIT'),
      },
    ],
  },
  {
    name: 'partial file',
    description:
      'Codex saves half of an image, which is never returned. A file in the store that still grows is returned when it is complete.',
    runs: [
      {
        script: [draw({ image: HALF }), copy(), DONE],
        expected: () => refused('INVALID_IMAGE'),
      },
      {
        script: [think(ENDLESS_MS)],
        meanwhile: grow,
        expected: () => inStore(FIRST),
      },
    ],
  },
  {
    name: 'faked by the shell',
    description:
      'The agent writes an image with its shell instead of calling the tool. The image is returned as unverified, and refused with `requireVerified: true`.',
    runs: unverifiedThenRefused([
      shell(`echo ${FIRST.toString('base64')} | base64 -d > od-codex-image.png`),
      DONE,
    ]),
  },
  {
    name: 'older image',
    description:
      "The agent copies an earlier thread's image, with its date. The outcomes are the same: unverified, and refused with `requireVerified: true`.",
    runs: unverifiedThenRefused(reuse),
  },
  {
    name: 'asks to leave the sandbox',
    description:
      "The user's config.toml has another model approve commands, or asks the user, who is absent. The agent asks to run a command outside of the sandbox, which would leave a file there. The command is not run, and the image is returned.",
    runs: ['approval_policy = "on-request"\napprovals_reviewer = "auto_review"', UNTRUSTED].map(
      (config) => ({
        config,
        script: async (real: RealCodex) => [
          escalate(`touch '${leftOutside(real)}'`),
          draw({ image: FIRST }),
          DONE,
        ],
        options: { completion: 'exit' } as const,
        asked: (real: RealCodex, _version: Version, expect: ExpectStatic) =>
          expect(existsSync(leftOutside(real))).toBe(false),
        expected: () => inStore(FIRST),
      }),
    ),
  },
  {
    name: 'reference images',
    description:
      'Two reference images are attached to the first request. Where Codex itself requests the image, it requests an edit of both.',
    runs: [
      {
        script: [draw({ image: FIRST }), copy(), DONE],
        options: withReferences,
        asked: (real, { hosted }, expect) => {
          carriesReferences(real.modelCalls()[0]?.body, expect);
          expect(real.imageCalls().map((request) => path.basename(request.path))).toEqual(
            hosted ? [] : ['edits'],
          );
          for (const { body } of real.imageCalls()) carriesReferences(body, expect);
        },
        expected: () => inStore(FIRST),
      },
    ],
  },
  {
    name: 'transparent',
    description:
      "A transparent background is requested in the prompt, and by the tool's argument where it has one: then the request to the backend has `background: transparent`.",
    runs: [
      {
        script: [draw({ image: CUT_OUT }), copy(), DONE],
        options: { transparent: true },
        asked: (real, { hosted, transparentTool }, expect) => {
          expect(real.asked()).toMatchObject({ transparent: true });
          const background = transparentTool
            ? 'transparent'
            : expect.not.stringMatching('transparent');
          expect(real.imageCalls().map(({ body }) => body)).toEqual(
            hosted ? [] : [expect.objectContaining({ background })],
          );
        },
        expected: () => inStore(CUT_OUT),
      },
    ],
  },
  {
    name: 'no tool call',
    description: "The model calls no tool. The error's `detail` has its answer.",
    runs: [
      {
        script: [say('Imagine a red fox.')],
        expected: () => refused('NO_IMAGE', 'Imagine a red fox.'),
      },
    ],
  },
  {
    name: 'unavailable',
    description: 'The tool is switched off. The call is refused before a turn is spent.',
    runs: [
      {
        script: [],
        options: { disableFeatures: ['image_generation'] },
        asked: (real, _version, expect) => expect(real.modelCalls()).toEqual([]),
        expected: () => refused('IMAGE_GEN_UNAVAILABLE'),
      },
    ],
  },
];
