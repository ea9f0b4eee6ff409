// The repository on GitHub. Its owner names it in one place, `repository` in package.json, in any
// form that npm accepts. Everything else follows from it.

import { UserError } from './bootstrap.mjs';

/** @typedef {{ version: string, repository?: string | { url: string } }} Manifest */

const MISSING =
  'package.json names no `repository`: npm refuses the provenance of a package without one, and ' +
  'its links lead nowhere (docs/releasing.md).';

/**
 * The members of a published package.json that name the repository; undefined if there is none yet.
 *
 * @param {Manifest} manifest
 */
export function repositoryMembers({ repository }) {
  if (repository === undefined) return undefined;
  const text = typeof repository === 'string' ? repository : repository.url;
  const [, name] =
    /^(?:github:|(?:git\+)?https:\/\/github\.com\/)?([\w-]+\/[\w.-]+?)(?:\.git)?$/.exec(text) ?? [];
  if (name === undefined) throw new UserError(`${text} is no repository on GitHub.`);
  const url = `https://github.com/${name}`;
  return {
    repository: { type: 'git', url: `git+${url}.git` },
    homepage: `${url}#readme`,
    bugs: { url: `${url}/issues` },
  };
}

/**
 * A sentence on what a release would lack; undefined if it lacks nothing.
 *
 * @param {Manifest} manifest
 */
export function missingRepository(manifest) {
  return repositoryMembers(manifest) === undefined ? MISSING : undefined;
}

/**
 * Fails unless the manifest is that of the release. npm refuses provenance for another repository
 * than the one whose workflow publishes.
 *
 * @param {Manifest} manifest
 * @param {string} tag
 * @param {string | undefined} workflow repository of the running workflow, as GitHub names it
 */
export function assertReleasable(manifest, tag, workflow) {
  if (tag !== `v${manifest.version}`) {
    throw new UserError(`The tag is ${tag}, but package.json has the version ${manifest.version}.`);
  }
  // Rehearsed on a machine of one's own.
  if (workflow === undefined) return;
  const members = repositoryMembers(manifest);
  if (members === undefined) throw new UserError(MISSING);
  const { url } = members.repository;
  if (url !== `git+https://github.com/${workflow}.git`) {
    throw new UserError(`package.json names ${url}, but this is ${workflow}.`);
  }
}
