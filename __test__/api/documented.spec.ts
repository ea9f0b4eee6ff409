// Every option and every error code is in each file that needs it (CONTRIBUTING.md, Recipes). What
// the compiler checks is not repeated here.

import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { isCodexImageError } from '../../index.js';

function read(file: string): string {
  return readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
}

/** Returns the text between `begin` and the first `end` after it. */
function between(text: string, begin: string, end: string): string {
  const [, rest = ''] = text.split(begin);
  const [found = ''] = rest.split(end);
  return found;
}

function names(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name = '']) => name).toSorted();
}

const TYPES = read('src/node/types.d.ts');
const OPTIONS = names(between(TYPES, 'interface GenerateOptions {', '\n}'), /^ {2}(\w+)\??:/gm);
const CODES = names(between(TYPES, 'type CodexImageErrorCode =', '\n\n'), /'(\w+)'/g);
const MEMBERS = names(
  between(TYPES, 'interface CodexImageError extends Error {', 'toJSON()'),
  /^ {2}(\w+)\??:/gm,
);

test('the declarations have options and codes', () => {
  expect(OPTIONS).toContain('prompt');
  expect(CODES).toContain('INTERNAL');
});

describe('every option', () => {
  test('has a row in docs/options.md', () => {
    expect(names(read('docs/options.md'), /^\| `(\w+)`/gm)).toEqual(OPTIONS);
  });

  test.for([
    ['is misused in __test__/api/options.spec.ts', '__test__/api/options.spec.ts'],
    ['is polluted in __test__/api/realm.spec.ts', '__test__/api/realm.spec.ts'],
  ] as const)('%s', ([, file]) => {
    const text = read(file);
    expect(OPTIONS.filter((option) => !text.includes(`'${option}'`))).toEqual([]);
  });

  // Numbers and switches have their names beside their bounds and defaults, in src/request.rs.
  test('is read by src/node/options.rs', () => {
    const [options, request] = [read('src/node/options.rs'), read('src/request.rs')];
    const unread = OPTIONS.filter((option) => {
      const constant = new RegExp(`const (\\w+): (?:WholeNumber|Switch) =[^;]*"${option}"`).exec(
        request,
      );
      return !options.includes(constant?.[1] ?? `"${option}"`);
    });
    expect(unread).toEqual([]);
  });

  test('may be absent in __test__/types/esm.ts, except for the prompt', () => {
    const absent = between(read('__test__/types/esm.ts'), 'export const absent', '}));');
    expect(names(absent, /^ {2}(\w+): nothing/gm)).toEqual(
      OPTIONS.filter((one) => one !== 'prompt'),
    );
  });
});

describe('every error code', () => {
  test('is recognised by isCodexImageError', () => {
    const known = CODES.filter((code) => isCodexImageError({ name: 'CodexImageError', code }));
    expect(known).toEqual(CODES);
  });

  test('has a row in docs/errors.md', () => {
    expect(names(read('docs/errors.md'), /^\| `([A-Z_]+)`/gm)).toEqual(CODES);
  });

  test('has an exit code in docs/command-line.md', () => {
    const table = between(read('docs/command-line.md'), '## Exit codes', '## ');
    expect(CODES.filter((code) => !table.includes(`\`${code}\``))).toEqual([]);
  });
});

test("every member of an error has a row in docs/errors.md, in the members' table", () => {
  const table = between(read('docs/errors.md'), '## Members', '\n## ');
  expect(names(table, /^\| `(\w+)`/gm)).toEqual(MEMBERS);
});
