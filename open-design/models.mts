// Defines this package's entries in Open Design's registry. Holds data only, so that a browser
// bundle may import it.

/** A provider of Open Design's media registry. */
export interface MediaProvider<Id extends string = string> {
  id: Id;
  label: string;
  hint: string;
  /** Whether the daemon has a renderer for it. */
  integrated: boolean;
  credentialsRequired: boolean;
  settingsVisible: boolean;
}

/** A model of Open Design's media registry. */
export interface MediaModel<Id extends string = string, Provider extends string = string> {
  id: Id;
  label: string;
  hint: string;
  /** The `id` of its provider. */
  provider: Provider;
  /** `t2i`: draws from text. `i2i`: draws from images. */
  caps: string[];
}

/** The user's own signed-in Codex CLI, which needs no settings and no key. */
export const CODEX_CLI_PROVIDER: MediaProvider<'codex-cli'> = {
  id: 'codex-cli',
  label: 'Codex CLI',
  hint: 'Your own Codex CLI and ChatGPT subscription',
  integrated: true,
  credentialsRequired: false,
  settingsVisible: false,
};

/** Codex's built-in image tool. Never the default model. */
export const CODEX_IMAGE_GEN_MODEL: MediaModel<'codex-image-gen', 'codex-cli'> = {
  id: 'codex-image-gen',
  label: 'codex-image-gen',
  hint: 'Codex CLI · image_gen on your ChatGPT subscription',
  provider: 'codex-cli',
  caps: ['t2i', 'i2i'],
};
