// The registry.

export type MediaSurface = 'image' | 'video' | 'audio';

export type MediaProvider = {
  id: string;
  label: string;
  hint: string;
  integrated: boolean;
  defaultBaseUrl?: string;
  docsUrl?: string;
  credentialsRequired?: boolean;
  settingsVisible?: boolean;
};

export type MediaModel = {
  id: string;
  label: string;
  hint: string;
  provider: string;
  caps: string[];
  default?: boolean;
};

export const MEDIA_PROVIDERS: MediaProvider[] = [
  { id: 'vela', label: 'Cloud', hint: 'Managed', integrated: true, credentialsRequired: false },
  { id: 'openai', label: 'OpenAI', hint: 'With a key', integrated: true },
  // @edit provider
];

export const IMAGE_MODELS: MediaModel[] = [
  {
    id: 'vela/gpt-image-2',
    label: 'Cloud',
    hint: 'Managed',
    provider: 'vela',
    caps: ['t2i'],
    default: true,
  },
  {
    id: 'gpt-image-2',
    label: 'gpt-image-2',
    hint: 'OpenAI',
    provider: 'openai',
    caps: ['t2i', 'i2i'],
  },
  // @edit model
];

export const VIDEO_MODELS: MediaModel[] = [
  { id: 'hyperframes-html', label: 'HTML', hint: 'Local', provider: 'hyperframes', caps: ['t2v'] },
];

export function findMediaModel(id: string): MediaModel | null {
  return [...IMAGE_MODELS, ...VIDEO_MODELS].find((model) => model.id === id) ?? null;
}

export function findProvider(id: string): MediaProvider | null {
  return MEDIA_PROVIDERS.find((provider) => provider.id === id) ?? null;
}

export function modelsForSurface(surface: MediaSurface): MediaModel[] {
  return { image: IMAGE_MODELS, video: VIDEO_MODELS, audio: [] }[surface];
}
