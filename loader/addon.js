// Loads the native addon with all its exports: from the package for this platform, or in a checkout
// from the file that `npm run build` made. Not public: index.js has what users may call.

'use strict';

const { existsSync } = require('node:fs');
const path = require('node:path');

/** @type {{ version: string, engines: { node: string }, optionalDependencies?: object }} */
const manifest = require('../package.json');
const { installCommand } = require('./installer.js');
const { loadError, notInstalled, otherVersion, refused, unsupported } = require('./load-error.js');
const { platformOf } = require('./platform.js');

const platform = platformOf(process);

/**
 * What only the command line uses.
 *
 * @typedef {object} TerminalFunctions
 * @property {() => [width: number, height: number] | null} terminalCell
 * @property {() => Promise<number[]>} terminalAttributes
 */

/** @type {typeof import('../index.js') & TerminalFunctions} */
module.exports = load();

function load() {
  const name = `codex-image-${platform}`;
  let file = `codex-image.${platform}.node`;
  /** Whether the platform's package was looked for, and has not been found. */
  let isMissing = false;
  let version = '';
  /** @param {{ version: string }} found the manifest of that package */
  const accepts = (found) => {
    isMissing = false;
    version = found.version;
    return version === manifest.version;
  };
  try {
    const own = ownFile(file);
    if (own !== undefined) {
      file = path.basename(own);
      return require(own);
    }
    isMissing = true;
    // Bundlers and tracers look for whole names. Within `try`, a package may be missing.
    switch (platform) {
      case 'darwin-arm64':
        if (!accepts(require('codex-image-darwin-arm64/package.json'))) break;
        return require('codex-image-darwin-arm64');
      case 'darwin-x64':
        if (!accepts(require('codex-image-darwin-x64/package.json'))) break;
        return require('codex-image-darwin-x64');
      case 'linux-arm64-gnu':
        if (!accepts(require('codex-image-linux-arm64-gnu/package.json'))) break;
        return require('codex-image-linux-arm64-gnu');
      case 'linux-arm64-musl':
        if (!accepts(require('codex-image-linux-arm64-musl/package.json'))) break;
        return require('codex-image-linux-arm64-musl');
      case 'linux-x64-gnu':
        if (!accepts(require('codex-image-linux-x64-gnu/package.json'))) break;
        return require('codex-image-linux-x64-gnu');
      case 'linux-x64-musl':
        if (!accepts(require('codex-image-linux-x64-musl/package.json'))) break;
        return require('codex-image-linux-x64-musl');
      case 'win32-arm64-msvc':
        if (!accepts(require('codex-image-win32-arm64-msvc/package.json'))) break;
        return require('codex-image-win32-arm64-msvc');
      case 'win32-x64-msvc':
        if (!accepts(require('codex-image-win32-x64-msvc/package.json'))) break;
        return require('codex-image-win32-x64-msvc');
      default:
    }
  } catch (refusal) {
    if (isMissing) throw loadError(notInstalled(name, circumstances()));
    throw loadError(refused(file, refusal, process.platform), refusal);
  }
  if (isMissing) throw loadError(unsupported(platform));
  const { command } = circumstances();
  throw loadError(otherVersion(name, { version, expected: manifest.version, command }));
}

/**
 * Returns the file that a test names, or that a checkout has built.
 *
 * @param {string} name
 */
function ownFile(name) {
  // Not napi-rs's NAPI_RS_NATIVE_LIBRARY_PATH, which may name the addon of another package.
  const given = process.env['CODEX_IMAGE_ADDON_PATH'];
  if (given) return given;
  const built = path.join(__dirname, '..', name);
  return existsSync(built) ? built : undefined;
}

function circumstances() {
  return {
    node: process.versions.node,
    range: manifest.engines.node,
    others: Object.keys(manifest.optionalDependencies ?? {}).filter(isInstalled),
    command: installCommand(__dirname),
  };
}

/** @param {string} name */
function isInstalled(name) {
  try {
    return require.resolve(`${name}/package.json`) !== '';
  } catch {
    return false;
  }
}
