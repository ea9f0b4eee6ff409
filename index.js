// The public functions. index.d.ts has their types.

'use strict';

const addon = require('./loader/addon.js');

// One by one: Node finds the names for an `import` in this text.
exports.checkCodex = addon.checkCodex;
exports.codexNeedsDangerFullAccessSandbox = addon.codexNeedsDangerFullAccessSandbox;
exports.generateCodexImage = addon.generateCodexImage;
exports.generateCodexImageDetailed = addon.generateCodexImageDetailed;
exports.isCodexImageError = addon.isCodexImageError;
exports.readContentCredentials = addon.readContentCredentials;
exports.recoverCodexImage = addon.recoverCodexImage;
exports.setMaxConcurrentRuns = addon.setMaxConcurrentRuns;
