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
  const manifest = { version: '1.0.0' };
  expect(missingRepository(manifest)).toMatch(/names no `repository`/);
  expect(() => {
    assertReleasable(manifest, 'v1.0.0', undefined);
  }).toThrow(/names no `repository`/);
});

test.for([
  ['v1.0.0', 'OWNER/NAME', undefined],
  ['v1.0.0', undefined, undefined],
  ['v1.0.1', 'OWNER/NAME', /tag is v1\.0\.1, but package\.json has the version 1\.0\.0/],
  ['v1.0.0', 'OTHER/NAME', /but this is OTHER\/NAME/],
] as const)('tag %s in the repository %s', ([tag, workflow, refusal]) => {
  const manifest = { version: '1.0.0', repository: 'OWNER/NAME' };
  expect(missingRepository(manifest)).toBeUndefined();
  const release = () => {
    assertReleasable(manifest, tag, workflow);
  };
  if (refusal === undefined) expect(release).not.toThrow();
  else expect(release).toThrow(refusal);
});
