// The error that loading the package throws without its addon: the reason, and what to do about it.

'use strict';

/**
 * @typedef {object} Reason
 * @property {string} problem what is wrong, in one sentence without a path
 * @property {string} fix what to do about it
 */

/**
 * Creates a `CodexImageLoadError`.
 *
 * @param {Reason} reason
 * @param {unknown} [refusal] what Node or the system threw
 */
exports.loadError = ({ problem, fix }, refusal) => {
  const error = new Error(`${problem} ${fix}`, refusal === undefined ? {} : { cause: refusal });
  // Not enumerable, as in built-in errors and as methods of a class.
  const hidden = { writable: true, configurable: true };
  Object.defineProperties(error, {
    name: { value: 'CodexImageError', ...hidden },
    toJSON: { value: toJSON, ...hidden },
  });
  // Captures the stack again, so that its first line has the name.
  Error.captureStackTrace(error, exports.loadError);
  const code = 'CODEX_IMAGE_ADDON_UNAVAILABLE';
  const detail = refusal === undefined ? {} : { detail: messageOf(refusal) };
  const members = { code, status: 424, retryable: false, problem, fix, ...detail };
  return /** @type {import('../index.js').CodexImageLoadError} */ (Object.assign(error, members));
};

/**
 * Returns the members of an error but the stack, as data.
 *
 * @this {Error}
 */
function toJSON() {
  const { name, message } = this;
  return Object.assign({ name, message }, this);
}

/**
 * @param {string} platform
 * @returns {Reason}
 */
exports.unsupported = (platform) => ({
  problem: `codex-image has no addon for ${platform}.`,
  fix: 'It runs on Linux, macOS and Windows, on x64 and arm64.',
});

/**
 * @param {string} name that of the package for this platform
 * @param {object} facts
 * @param {string} facts.node the version of Node
 * @param {string} facts.range the versions of Node that are supported, such as `>=20`
 * @param {string[]} facts.others the installed packages for other platforms
 * @param {string | undefined} facts.command installs the missing package
 * @returns {Reason}
 */
exports.notInstalled = (name, { node, range, others, command }) => {
  const problem = `The package ${name}, which codex-image needs here, is not installed`;
  const install = installing(command);
  const [oldest = ''] = /\d+/.exec(range) ?? [];
  // Package managers leave out an optional dependency that does not support their Node.
  if (Number.parseInt(node, 10) < Number(oldest)) {
    return {
      problem: `${problem}: it needs Node ${oldest} or newer, and this is Node ${node}.`,
      fix: `Update Node. ${install}.`,
    };
  }
  if (others.length > 0) {
    return {
      problem: `${problem}: node_modules comes from another system, with ${others.join(', ')}.`,
      fix: `${install} on this system.`,
    };
  }
  return {
    problem: `${problem}: as an optional dependency, it was left out.`,
    fix: `${install}. If that does not help, your lock file or your registry lacks the package.`,
  };
};

/**
 * @param {string} name that of the package for this platform
 * @param {object} facts
 * @param {string} facts.version that of this package
 * @param {string} facts.expected that of `codex-image`
 * @param {string | undefined} facts.command installs the expected version
 * @returns {Reason}
 */
exports.otherVersion = (name, { version, expected, command }) => ({
  problem: `The package ${name} has version ${version}, but codex-image has version ${expected}.`,
  fix: `${installing(command)}.`,
});

/**
 * @param {string} file the name of the addon's file
 * @param {unknown} refusal what Node or the system threw
 * @param {string} platform
 * @returns {Reason}
 */
exports.refused = (file, refusal, platform) => {
  // On Windows Node appends a line with the path.
  const [line = ''] = messageOf(refusal).split(/\r?\n/);
  const known = REFUSALS.find(({ on, words }) => (on ?? platform) === platform && words.test(line));
  if (known !== undefined) return { problem: known.problem(file), fix: known.fix };
  const words = line.replaceAll(/[^\s'"`(),;]*[\\/]/g, '').replace(/[\s.]+$/, '');
  return {
    problem: `The addon ${file} cannot be loaded: ${words}.`,
    fix: 'Install codex-image again. If that does not help, report this.',
  };
};

/**
 * Refusals that have another remedy than a new installation.
 *
 * @type {{ on?: string, words: RegExp, problem: (file: string) => string, fix: string }[]}
 */
const REFUSALS = [
  {
    // `ERROR_SYSTEM_INTEGRITY_POLICY_VIOLATION`, in the wordings of Windows 11.
    on: 'win32',
    words: /\bapp(?:lication)? control policy\b/i,
    problem: (file) =>
      `Windows has blocked the addon ${file}: Smart App Control, or a policy of this computer, does not trust its publisher.`,
    fix: 'Sign the file together with your program, or have the computer allow it.',
  },
  {
    // Library validation, since macOS 12: “mapping process and mapped file (non-platform) have
    // different Team IDs”, “mapped file has no Team ID and is not a platform binary”.
    on: 'darwin',
    words: /\bnot valid for use in process\b/,
    problem: (file) =>
      `macOS has blocked the addon ${file}: library validation lets this program load only libraries that its own developer has signed.`,
    fix: 'Sign the file together with the program, or give the program the entitlement com.apple.security.cs.disable-library-validation.',
  },
  {
    // Gatekeeper.
    on: 'darwin',
    words: /\blibrary load (?:disallowed|denied) by system policy\b/,
    problem: (file) =>
      `macOS has blocked the addon ${file}: it was downloaded, and is not notarised.`,
    fix: 'Allow it in System Settings, under Privacy & Security.',
  },
  {
    words: /\brun again with the --allow-\w+ flag\b/,
    problem: () => 'Deno does not allow codex-image to load its addon.',
    fix: 'Run Deno with --allow-ffi, --allow-env and --allow-read.',
  },
];

/** @param {string | undefined} command */
function installing(command) {
  return command === undefined
    ? 'Install codex-image again, with its optional dependencies'
    : `Run \`${command}\``;
}

/** @param {unknown} thrown */
function messageOf(thrown) {
  const { message } = Object(thrown);
  return typeof message === 'string' ? message : String(thrown);
}
