// The supported versions of Codex. JavaScript, because scripts read it before anything is
// installed.

/** Used by the demo, the benchmarks and the tests with the real CLI. */
export const NEWEST = '0.171.0';
/** Draws with OpenAI's hosted tool. The benchmarks and those tests use it as well. */
export const OLDEST = '0.132.0';

/**
 * Every version in COMPATIBILITY.md, oldest first. To support another one, add it here and run `npm
 * run test:codex`.
 *
 * @type {readonly string[]}
 */
export const SUPPORTED = [OLDEST, '0.140.0', '0.144.6', '0.150.1', '0.169.0', NEWEST];
