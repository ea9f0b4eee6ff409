// Open Design's registry entries for this package. Data only: a browser bundle may import them.

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
  /** What it makes from what: `t2i` from text, `i2i` from pictures. */
  caps: string[];
}

/** The user's own signed-in Codex CLI: there is nothing to configure and no key to enter. */
export const CODEX_CLI_PROVIDER: MediaProvider<'codex-cli'> = {
  id: 'codex-cli',
  label: 'Codex CLI',
  hint: 'Your own Codex CLI and ChatGPT subscription',
  integrated: true,
  credentialsRequired: false,
  settingsVisible: false,
};

/** Codex's built-in image tool. Never a default. */
export const CODEX_IMAGE_GEN_MODEL: MediaModel<'codex-image-gen', 'codex-cli'> = {
  id: 'codex-image-gen',
  label: 'codex-image-gen',
  hint: 'Codex CLI · image_gen on your ChatGPT subscription',
  provider: 'codex-cli',
  caps: ['t2i', 'i2i'],
};
