// The repository that package.json names, and what a release demands of it.

import { expect, test } from 'vitest';

import {
  assertReleasable,
  missingRepository,
  repositoryMembers,
} from '../../scripts/repository.mjs';

const URL = 'git+https://github.com/OWNER/NAME.git';

test.for([
  'OWNER/NAME',
  'github:OWNER/NAME',
  'https://github.com/OWNER/NAME',
  'git+https://github.com/OWNER/NAME.git',
  { type: 'git', url: URL },
])('%o leads to its home page and its issues', (repository) => {
  expect(repositoryMembers({ version: '1.0.0', repository })).toEqual({
    repository: { type: 'git', url: URL },
    homepage: 'https://github.com/OWNER/NAME#readme',
    bugs: { url: 'https://github.com/OWNER/NAME/issues' },
  });
});

test.for(['', 'OWNER', 'gitlab:OWNER/NAME', 'https://example.com/OWNER/NAME'])(
  '%o is refused',
  (repository) => {
    expect(() => repositoryMembers({ version: '1.0.0', repository })).toThrow(/no repository on G/);
  },
);

test('a package without a repository cannot be released, and says so', () => {
  const nowhere = { version: '1.0.0' };
  expect(missingRepository(nowhere)).toMatch(/names no `repository`/);
  expect(() => {
    assertReleasable(nowhere, 'v1.0.0', 'OWNER/NAME');
  }).toThrow(/names no `repository`/);
});

const manifest = { version: '1.0.0', repository: 'OWNER/NAME' };

test('the tag of its version is released by its repository', () => {
  expect(missingRepository(manifest)).toBeUndefined();
  expect(() => {
    assertReleasable(manifest, 'v1.0.0', 'OWNER/NAME');
  }).not.toThrow();
});

test('outside of a workflow a package without a repository is tried', () => {
  expect(() => {
    assertReleasable({ version: '1.0.0' }, 'v1.0.0', undefined);
  }).not.toThrow();
});

test.for([
  ['v1.0.1', 'OWNER/NAME', 'The tag is v1.0.1, but package.json has the version 1.0.0'],
  ['v1.0.0', 'OTHER/NAME', 'but this is OTHER/NAME'],
] as const)('tag %s is not released by %s', ([tag, workflow, reason]) => {
  expect(() => {
    assertReleasable(manifest, tag, workflow);
  }).toThrow(reason);
});
