// Open Design's registry entries for this package. Data only: a browser bundle may import them.

/** A provider of Open Design's media registry. */
export interface MediaProvider {
  id: string;
  label: string;
  hint: string;
  /** Whether the daemon has a renderer for it. */
  integrated: boolean;
  credentialsRequired: boolean;
  settingsVisible: boolean;
}

/** A model of Open Design's media registry. */
export interface MediaModel {
  id: string;
  label: string;
  hint: string;
  /** The `id` of its provider. */
  provider: string;
  /** What it makes from what: `t2i` from text, `i2i` from pictures. */
  caps: string[];
}

/** The user's own signed-in Codex CLI: there is nothing to configure and no key to enter. */
export const CODEX_CLI_PROVIDER: MediaProvider = {
  id: 'codex-cli',
  label: 'Codex CLI',
  hint: 'Your own signed-in Codex CLI, with your ChatGPT subscription',
  integrated: true,
  credentialsRequired: false,
  settingsVisible: false,
};

/** Codex's built-in image tool. Never a default: whoever wants it chooses it. */
export const CODEX_IMAGE_GEN_MODEL: MediaModel = {
  id: 'codex-image-gen',
  label: 'Codex image_gen',
  hint: 'Drawn by the Codex CLI, on your ChatGPT subscription',
  provider: CODEX_CLI_PROVIDER.id,
  caps: ['t2i', 'i2i'],
};
