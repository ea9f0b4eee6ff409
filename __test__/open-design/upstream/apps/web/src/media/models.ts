// The web's copy of the registry: ids are a union.

// prettier-ignore
export type MediaProviderId =
  // @edit id
  | 'openai' | 'vela' | 'hyperframes';

export interface MediaProvider {
  id: MediaProviderId;
  label: string;
  hint: string;
  integrated: boolean;
  credentialsRequired?: boolean;
  settingsVisible?: boolean;
  defaultBaseUrl?: string;
  docsUrl?: string;
}

export interface MediaModel {
  id: string;
  label: string;
  hint: string;
  provider: MediaProviderId;
  caps?: string[];
  default?: boolean;
}

export const MEDIA_PROVIDERS: MediaProvider[] = [
  { id: 'vela', label: 'Cloud', hint: 'Managed', integrated: true, credentialsRequired: false },
  { id: 'openai', label: 'OpenAI', hint: 'With a key', integrated: true },
  // @edit provider
];

export const IMAGE_MODELS: MediaModel[] = [
  { id: 'vela/gpt-image-2', label: 'Cloud', hint: 'Managed', provider: 'vela', default: true },
  { id: 'gpt-image-2', label: 'gpt-image-2', hint: 'OpenAI', provider: 'openai' },
  // @edit model
];

export function findProvider(id: string): MediaProvider | null {
  return MEDIA_PROVIDERS.find((provider) => provider.id === id) ?? null;
}
