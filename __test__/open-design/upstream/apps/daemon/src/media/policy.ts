export interface MediaExecutionPolicy {
  mode: 'enabled' | 'disabled';
  allowedSurfaces?: string[];
  allowedModels?: string[];
}

/** Asked before any renderer runs: the ids are those of the request. */
export function mediaPolicyDenial(
  policy: MediaExecutionPolicy,
  { surface, model }: { surface: string; model: string },
): { code: string; message: string } | null {
  const { mode, allowedSurfaces = [surface], allowedModels = [model] } = policy;
  if (mode !== 'enabled') return { code: 'MEDIA_EXECUTION_DISABLED', message: 'media is disabled' };
  if (!allowedSurfaces.includes(surface)) {
    return { code: 'MEDIA_SURFACE_DENIED', message: `media surface "${surface}" is not allowed` };
  }
  if (allowedModels.includes(model)) return null;
  return { code: 'MEDIA_MODEL_DENIED', message: `media model "${model}" is not allowed` };
}
