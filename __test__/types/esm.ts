// An ESM consumer. Compiled, never run.

import {
  checkCodex,
  type CheckOptions,
  type CodexImageError,
  type CodexImageErrorCode,
  type CodexImageErrorData,
  type CodexImageLoadError,
  type CodexImageLoadErrorData,
  codexNeedsDangerFullAccessSandbox,
  generateCodexImage,
  generateCodexImageDetailed,
  type GeneratedImage,
  type GenerateOptions,
  isCodexImageError,
  type OnProgress,
  type ProgressEvent,
  type QuotaUnknown,
  type Readiness,
  type ReadinessProblem,
  recoverCodexImage,
  type RecoverOptions,
  setMaxConcurrentRuns,
} from '../../index.js';

export async function uses(signal: AbortSignal): Promise<void> {
  const bytes: Buffer = await generateCodexImage({ prompt: 'a red fox' });
  bytes.readUInt32BE(0);

  const image: GeneratedImage = await generateCodexImageDetailed({ prompt: 'a red fox', signal });
  const { png, width, height, hasAlpha, source, threadId, timings } = image;
  const area: number = width * height;
  const thread: string | undefined = threadId;
  const place: 'store' | 'workspace' | 'rollout' = source;
  const total: number = timings.totalMs;
  const verified: boolean = image.verified;
  const revised: string | undefined = image.revisedPrompt;
  const warned: string[] = image.warnings;
  const shape: { requested: string; received: string; matches: boolean } | undefined = image.aspect;
  void [png.length, area, hasAlpha, thread, place, total, verified, revised, warned, shape];

  await generateCodexImage({ prompt: 'a red fox' }, null);
  await generateCodexImage({ prompt: 'a red fox' }, undefined);
  await generateCodexImage({ prompt: 'a red fox' }, () => {});
  await generateCodexImage({ prompt: 'a red fox' }, (message, { phase, elapsedMs }) => {
    console.log(message.trimEnd(), phase, elapsedMs.toFixed());
  });

  const plain: boolean = codexNeedsDangerFullAccessSandbox();
  const given: boolean = codexNeedsDangerFullAccessSandbox(process.platform, process.env);
  void [plain, given];
}

export async function looksAround(threadId: string): Promise<string[]> {
  const nothing: void = setMaxConcurrentRuns(4);
  const found: Readiness[] = [await checkCodex(), await checkCodex(null), await checkCodex({})];
  const again: GeneratedImage = await recoverCodexImage({ threadId });
  const problems: ReadinessProblem[] = found.flatMap((one) => (one.ready ? [] : one.problems));
  void [nothing, again.png.length, again.source, again.timings.totalMs];
  for (const { codexPath, version, login, imageTool } of found) {
    const known: (string | undefined)[] = [codexPath, version];
    const plain: 'chatgpt' | 'api-key' | 'none' | 'unknown' = login;
    void [known, plain, imageTool === 'likely'];
  }
  const { quota } = await checkCodex({ quota: true });
  const known: string | undefined = quota?.plan;
  const periods: ('primary' | 'secondary')[] = [];
  for (const { window, resetsAt, usedPercent } of quota?.limits ?? []) {
    const when: number | undefined = resetsAt?.getTime();
    periods.push(window);
    void [when, usedPercent.toFixed()];
  }
  const unknown: QuotaUnknown | undefined = quota?.unknown;
  void [known, periods, unknown?.code === 'UNSUPPORTED', quota?.credits?.balance?.trim()];
  return problems.map(({ code, message, fix, blocking }) =>
    blocking ? `${code}: ${fix}` : message,
  );
}

/** Every code of a problem: a new one is a change of the API, and does not compile here. */
export const problems: Record<ReadinessProblem['code'], boolean> = {
  CODEX_NOT_FOUND: true,
  NOT_SIGNED_IN: true,
  API_KEY_LOGIN: true,
  IMAGE_GEN_UNAVAILABLE: true,
  WORKSPACE_FAILED: true,
  LOGIN_UNKNOWN: false,
  CUSTOM_PROVIDER: false,
};

export const recoveries: RecoverOptions[] = [undefined, null].map((nothing) => ({
  threadId: '0199d2c4-aaaa-7000-8000-0123456789ab',
  codexHome: nothing,
  env: nothing,
  maxImageBytes: nothing,
}));

export const checks: CheckOptions[] = [undefined, null].map((nothing) => ({
  codexPath: nothing,
  codexHome: nothing,
  env: nothing,
  config: nothing,
  quota: nothing,
}));

/** Optional parts may be passed on as undefined or null. */
export const absent: GenerateOptions[] = [undefined, null].map((nothing) => ({
  prompt: 'a red fox',
  aspect: nothing,
  codexPath: nothing,
  codexHome: nothing,
  env: nothing,
  model: nothing,
  sandbox: nothing,
  networkAccess: nothing,
  completion: nothing,
  config: nothing,
  disableFeatures: nothing,
  timeoutMs: nothing,
  killGraceMs: nothing,
  maxImageBytes: nothing,
  validation: nothing,
  referenceImages: nothing,
  transparent: nothing,
  requireVerified: nothing,
  lean: nothing,
  maxReconnects: nothing,
  signal: nothing,
}));

export const present: Required<GenerateOptions> = {
  prompt: 'a red fox',
  aspect: '16:9',
  codexPath: '/opt/codex/bin/codex',
  codexHome: '/home/somebody/.codex',
  env: { PATH: '/usr/bin' },
  model: 'gpt-5',
  sandbox: 'workspace-write',
  networkAccess: false,
  completion: 'exit',
  config: { model_reasoning_effort: 'low' },
  disableFeatures: ['plugins'],
  timeoutMs: 600_000,
  killGraceMs: 2000,
  maxImageBytes: 32 * 1024 * 1024,
  validation: 'signature',
  referenceImages: ['/home/somebody/fox.png'],
  transparent: true,
  requireVerified: true,
  lean: false,
  maxReconnects: 0,
  signal: AbortSignal.timeout(1000),
};

/** Every phase: a new one is a change of the API, and does not compile here. */
export const labels: Record<ProgressEvent['phase'], string> = {
  queued: 'waiting',
  preflight: 'looking around',
  starting: 'starting',
  started: 'started',
  message: 'says',
  command: 'runs',
  reconnecting: 'reconnecting',
  image: 'has drawn',
  checking: 'checking',
  stopping: 'stopping',
};

/** Every code: a new one does not compile here. */
export const statuses: Record<CodexImageErrorCode, number> = {
  INVALID_OPTIONS: 400,
  NOT_SIGNED_IN: 401,
  API_KEY_LOGIN: 403,
  IMAGE_TOO_LARGE: 413,
  SAFETY_REJECTED: 422,
  CODEX_NOT_FOUND: 424,
  USAGE_LIMIT: 429,
  RATE_LIMITED: 429,
  SPAWN_FAILED: 500,
  INTERNAL: 500,
  IMAGE_GEN_UNAVAILABLE: 501,
  NO_IMAGE: 502,
  INVALID_IMAGE: 502,
  BACKEND_ERROR: 502,
  CODEX_FAILED: 502,
  TIMEOUT: 504,
  WORKSPACE_FAILED: 507,
};

export function answer(error: CodexImageError): string {
  const plain: Error = error;
  const retryAt: string | undefined = error.resetsAt?.toISOString();
  const ended: number | string | undefined = error.exitCode ?? error.signal;
  const known: (string | undefined)[] = [error.option, error.threadId, error.detail];
  return [plain.message, error.status, error.retryable, retryAt, ended, ...known].join();
}

export function recognised(
  error: unknown,
): CodexImageErrorData | CodexImageLoadErrorData | undefined {
  if (!isCodexImageError(error)) return undefined;
  if (error.code === 'CODEX_IMAGE_ADDON_UNAVAILABLE') {
    const { problem, fix }: { problem: string; fix: string } = error.toJSON();
    return { ...error, problem, fix };
  }
  const { code, resetsAt }: { code: CodexImageErrorCode; resetsAt?: Date } = error.toJSON();
  void [code, resetsAt?.getTime()];
  // @ts-expect-error the data has no stack
  void error.toJSON().stack;
  return error;
}

export const counter: OnProgress = (_message, event) => event.threadId?.length;

export function misuses(): void {
  // @ts-expect-error options are required
  void generateCodexImage();
  // @ts-expect-error a prompt is required
  void generateCodexImage({});
  // @ts-expect-error null is no prompt
  void generateCodexImage({ prompt: null });
  // @ts-expect-error the prompt is a member, not the argument
  void generateCodexImage('a red fox');
  // @ts-expect-error numbers are numbers
  void generateCodexImage({ prompt: 'a red fox', timeoutMs: '5' });
  // @ts-expect-error there is no such option
  void generateCodexImage({ prompt: 'a red fox', timeout: 5 });
  // @ts-expect-error there is no such sandbox
  void generateCodexImage({ prompt: 'a red fox', sandbox: 'none' });
  // @ts-expect-error there is no such completion
  void generateCodexImage({ prompt: 'a red fox', completion: 'never' });
  // @ts-expect-error there is no such validation
  void generateCodexImage({ prompt: 'a red fox', validation: 'some' });
  // @ts-expect-error features are a list
  void generateCodexImage({ prompt: 'a red fox', disableFeatures: 'plugins' });
  // @ts-expect-error references are a list
  void generateCodexImage({ prompt: 'a red fox', referenceImages: '/fox.png' });
  // @ts-expect-error references are paths
  void generateCodexImage({ prompt: 'a red fox', referenceImages: [Buffer.alloc(5)] });
  // @ts-expect-error whether, not how much
  void generateCodexImage({ prompt: 'a red fox', transparent: 1 });
  // @ts-expect-error whether, not how
  void generateCodexImage({ prompt: 'a red fox', lean: 'no' });
  // @ts-expect-error numbers are numbers
  void generateCodexImage({ prompt: 'a red fox', maxReconnects: false });
  // @ts-expect-error a thread is required
  void recoverCodexImage({});
  // @ts-expect-error the thread is a member, not the argument
  void recoverCodexImage('0199d2c4-aaaa-7000-8000-0123456789ab');
  // @ts-expect-error a recovery starts no Codex
  void recoverCodexImage({ threadId: 'x', codexPath: '/opt/codex' });
  // @ts-expect-error a check draws nothing
  void checkCodex({ prompt: 'a red fox' });
  // @ts-expect-error a limit is required
  setMaxConcurrentRuns();
  // @ts-expect-error there is always a limit
  setMaxConcurrentRuns(null);
  // @ts-expect-error the controller is not its signal
  void generateCodexImage({ prompt: 'a red fox', signal: new AbortController() });
  // @ts-expect-error an environment has strings only
  void generateCodexImage({ prompt: 'a red fox', env: { DEBUG: 1 } });
  // @ts-expect-error the message comes first
  void generateCodexImage({ prompt: 'a red fox' }, (event: ProgressEvent) => event.phase);
  // @ts-expect-error the result is a promise
  void generateCodexImage({ prompt: 'a red fox' }).length;
  // @ts-expect-error bytes and facts come from different calls
  void generateCodexImage({ prompt: 'a red fox' }).then((image) => image.png);
}

/** The import itself fails. */
export function unavailable(error: CodexImageLoadError): string {
  const plain: Error = error;
  const code: 'CODEX_IMAGE_ADDON_UNAVAILABLE' = error.code;
  // @ts-expect-error it is none of the codes of a call
  const called: CodexImageErrorCode = error.code;
  return [plain.message, code, called, error.status, error.problem, error.fix, error.detail].join();
}
