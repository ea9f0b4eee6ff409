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

/** @type {typeof import('../index.js') & { terminalCellRatio(): number | null }} */
module.exports = load();

function load() {
  const built = path.join(__dirname, '..', `codex-image.${platform}.node`);
  // napi-rs's own variable, with which tests name an addon.
  const file =
    process.env['NAPI_RS_NATIVE_LIBRARY_PATH'] || (existsSync(built) ? built : undefined);
  if (file === undefined) return loadPackage(`codex-image-${platform}`);
  try {
    return require(file);
  } catch (error) {
    throw loadError(refused(path.basename(file), error, process.platform), error);
  }
}

/** @param {string} name that of the package for this platform */
function loadPackage(name) {
  /** @type {string | undefined} */
  let version;
  /** @param {{ version: string }} found the manifest of that package */
  const accepts = (found) => {
    version = found.version;
    return version === manifest.version;
  };
  try {
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
  } catch (error) {
    if (version !== undefined) {
      throw loadError(refused(`codex-image.${platform}.node`, error, process.platform), error);
    }
    const facts = {
      node: process.versions.node,
      range: manifest.engines.node,
      others: Object.keys(manifest.optionalDependencies ?? {}).filter(isInstalled),
      command: installCommand(__dirname),
    };
    throw loadError(notInstalled(name, facts));
  }
  if (version === undefined) throw loadError(unsupported(platform));
  const facts = { version, expected: manifest.version, command: installCommand(__dirname) };
  throw loadError(otherVersion(name, facts));
}

/** @param {string} name */
function isInstalled(name) {
  try {
    return require.resolve(`${name}/package.json`) !== '';
  } catch {
    return false;
  }
}
