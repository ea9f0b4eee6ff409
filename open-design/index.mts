// Entry point for Open Design's daemon. Importing it does not load the native addon.

export type { CodexOverrides } from './environment.mjs';
export type { CodexCliImageError, CodexCliImageErrorCode } from './errors.mjs';
export {
  CODEX_CLI_PROVIDER,
  CODEX_IMAGE_GEN_MODEL,
  type MediaModel,
  type MediaProvider,
} from './models.mjs';
export { checkCodexCli, type CodexCliProblem, type CodexCliReadiness } from './readiness.mjs';
export {
  type CodexCliImage,
  type ImageRef,
  renderCodexCliImage,
  type RenderContext,
  type RenderOverrides,
} from './render.mjs';
