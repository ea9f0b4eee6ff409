// The reference implementation of C2PA finds the same in every picture that the tests sign.
//
// Skipped where PyPI, from which it comes, is out of reach.

import { describe, expect, test } from 'vitest';

import { makeSignedPictures } from '../support/credentials/signed-pictures.js';
import { findOracle, type OracleResult } from '../support/credentials/oracle.js';

const oracle = await findOracle();
if (oracle === undefined) console.warn('PyPI is out of reach: no other implementation is asked.');

type Found = { intact: boolean; trusted: boolean; dated: boolean } | null;

/** Where the two differ on purpose: what this package finds. */
const DIFFERENCES: Record<string, Found> = {
  // C2PA 2.2, 15.12.1.1 asks for zeros, which the other implementation does not check.
  'data in the padding': { intact: false, trusted: false, dated: false },
  // RFC 9052, 3.1: a critical parameter that the reader does not know makes the signature invalid.
  'a critical extension': { intact: false, trusted: false, dated: false },
  // OpenAI's service does neither.
  'an assertion named twice': { intact: false, trusted: false, dated: false },
  'a redacted assertion': { intact: false, trusted: false, dated: false },
  // Only this package asks for a name.
  'another organization': { intact: true, trusted: false, dated: true },
  'two organizations': { intact: true, trusted: false, dated: true },
  // A time stamp that does not count is ignored (C2PA 2.2, 15.8.2). The other implementation blames
  // the signer for the certificate of the time stamp.
  'a time stamp for another purpose': { intact: true, trusted: true, dated: false },
  'a time stamp for two purposes': { intact: true, trusted: true, dated: false },
};

/** Returns what the status codes mean. */
function foundBy(result: OracleResult): Found {
  if ('error' in result) {
    if (result.error.includes('ManifestNotFound')) return null;
    return { intact: false, trusted: false, dated: false };
  }
  const { success, failure } = result;
  const credential = failure.filter((code) => code.startsWith('signingCredential.'));
  const intact =
    failure.length === credential.length &&
    success.includes('claimSignature.validated') &&
    success.includes('assertion.dataHash.match');
  return {
    intact,
    trusted: intact && credential.length === 0 && success.includes('signingCredential.trusted'),
    dated: intact && success.includes('timeStamp.trusted'),
  };
}

describe.skipIf(oracle === undefined)('the reference implementation', () => {
  test('finds what this package finds, but for the differences above', async () => {
    await using signed = await makeSignedPictures();
    const { pictures, roots } = signed;
    const files = pictures.map(({ file }) => file);
    const results = (await oracle?.(roots, files)) ?? [];
    const theirs = Object.fromEntries(
      results.map((result, at) => [pictures[at]?.name, foundBy(result)]),
    );
    const ours = Object.fromEntries(pictures.map(({ name, found }) => [name, found]));
    expect(pictures.length).toBeGreaterThan(30);
    expect(ours).toMatchObject(DIFFERENCES);
    const differing = pictures.map(({ name }) => name).filter((name) => name in DIFFERENCES);
    for (const name of differing) expect(theirs[name]).not.toEqual(DIFFERENCES[name]);
    expect({ ...theirs, ...DIFFERENCES }).toEqual(ours);
  });
});
