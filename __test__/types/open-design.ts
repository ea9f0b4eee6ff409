// Open Design's daemon and web app, as far as they use this package. Compiled, never run.

import {
  checkCodexCli,
  CODEX_CLI_PROVIDER,
  CODEX_IMAGE_GEN_MODEL,
  type CodexCliImage,
  type CodexCliImageError,
  type CodexCliImageErrorCode,
  type CodexCliReadiness,
  type CodexOverrides,
  renderCodexCliImage,
  type RenderContext,
  type RenderOverrides,
} from '../../dist/open-design.mjs';
import * as models from '../../dist/models.mjs';

/** The daemon's registry: plain strings, a mutable list. */
interface DaemonProvider {
  id: string;
  label: string;
  hint: string;
  integrated: boolean;
  defaultBaseUrl?: string;
  docsUrl?: string;
  credentialsRequired?: boolean;
  settingsVisible?: boolean;
}

/** The web app's registry: ids are a union. */
type WebProviderId = 'openai' | 'hyperframes' | 'codex-cli';

interface WebModel {
  id: string;
  label: string;
  hint: string;
  provider: WebProviderId;
  caps?: string[];
  default?: boolean;
}

export const providers: DaemonProvider[] = [CODEX_CLI_PROVIDER, models.CODEX_CLI_PROVIDER];
export const webProviders: (DaemonProvider & { id: WebProviderId })[] = [CODEX_CLI_PROVIDER];
export const webModels: WebModel[] = [CODEX_IMAGE_GEN_MODEL, models.CODEX_IMAGE_GEN_MODEL];

/** The dispatcher's context has more members than are used. */
interface DispatcherContext {
  surface: 'image' | 'video' | 'audio';
  model: string;
  wireModel: string;
  prompt: string;
  aspect: string | undefined;
  length: number | undefined;
  imageRef: DispatcherImage | null;
  imageRefs: DispatcherImage[];
}

interface DispatcherImage {
  path: string;
  abs: string;
  mime: string;
  size: number;
  dataUrl: string;
}

interface RenderResult {
  bytes: Buffer;
  providerNote: string;
  suggestedExt?: string;
}

export async function branch(
  context: DispatcherContext,
  onProgress: ((line: string) => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<RenderResult> {
  await renderCodexCliImage(context);
  await renderCodexCliImage(context, null);
  const image: CodexCliImage = await renderCodexCliImage(context, onProgress, { signal });
  const extension: '.png' = image.suggestedExt;
  void extension;
  return image;
}

/** The results of the daemon's resolvers are passed on unchanged. */
export const resolved: RenderOverrides = {
  executable: Math.random() < 0.5 ? '/opt/codex/bin/codex' : null,
  environment: process.env,
  agentCliEnv: { CODEX_HOME: '~/.codex' } as Record<string, string>,
  sandbox: 'danger-full-access',
  timeoutMs: 600_000,
  validation: 'signature',
  signal: AbortSignal.timeout(1000),
};

/** Optional parts may be passed on as undefined. */
export const absent: RenderOverrides = {
  executable: undefined,
  environment: undefined,
  agentCliEnv: undefined,
  sandbox: undefined,
  timeoutMs: undefined,
  validation: undefined,
  signal: undefined,
};

/** The picker calls like the renderer. */
export async function problemOf(codex: CodexOverrides): Promise<string | undefined> {
  const readiness: CodexCliReadiness = await checkCodexCli(codex);
  await checkCodexCli();
  const [problem] = readiness.problems;
  return problem?.blocking === true ? `${problem.message} ${problem.fix}` : undefined;
}

export const bare: RenderContext[] = [
  { surface: 'image', prompt: 'a red fox' },
  {
    surface: 'image',
    prompt: 'a red fox',
    aspect: undefined,
    imageRef: undefined,
    imageRefs: undefined,
  },
];

export function taskError(error: CodexCliImageError) {
  const code: CodexCliImageErrorCode = error.code;
  const unavailable: boolean = code === 'CODEX_IMAGE_ADDON_UNAVAILABLE';
  const option: string | undefined = error.option;
  return {
    message: error.message,
    status: error.status,
    retryable: error.retryable,
    option,
    unavailable,
  };
}

export function misuses(context: DispatcherContext): void {
  // @ts-expect-error a model of ours is never a default
  void CODEX_IMAGE_GEN_MODEL.default;
  // @ts-expect-error the provider's id is this one
  const other: 'codex' = CODEX_CLI_PROVIDER.id;
  void other;
  // @ts-expect-error a context is required
  void renderCodexCliImage();
  // @ts-expect-error a prompt is required
  void renderCodexCliImage({ surface: 'image' });
  // @ts-expect-error a reference is a file
  void renderCodexCliImage({ ...context, imageRefs: ['/fox.png'] });
  // @ts-expect-error a listener is a function
  void renderCodexCliImage(context, { signal: undefined });
  // @ts-expect-error there is no such override
  void renderCodexCliImage(context, undefined, { codexPath: '/opt/codex' });
  // @ts-expect-error a picture proves no less
  void renderCodexCliImage(context, undefined, { validation: 'none' });
  // @ts-expect-error there is no such sandbox
  void renderCodexCliImage(context, undefined, { sandbox: true });
  // @ts-expect-error milliseconds are a number
  void renderCodexCliImage(context, undefined, { timeoutMs: '5m' });
  // @ts-expect-error the result is a promise
  void renderCodexCliImage(context).bytes;
}
