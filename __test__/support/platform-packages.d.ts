// The packages of the platforms, which `loader/addon.js` requires: no checkout has them.
declare module 'codex-image-*';
