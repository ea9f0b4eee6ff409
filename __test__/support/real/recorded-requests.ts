// What the requests that the loopback backend has recorded are, and hold.

import type { RecordedRequest } from '../loopback/backend.js';

interface ToolOutput {
  type: string;
  output?: string | { text?: string }[];
}

export function isModelCall({ method, path: target }: RecordedRequest): boolean {
  return method === 'POST' && target.endsWith('/responses');
}

export function isImageCall({ method, path: target }: RecordedRequest): boolean {
  return method === 'POST' && /\/images\/(generations|edits)$/.test(target);
}

/** What the tools returned to the model, in order, without images. */
export function toolOutputsIn(modelCall: RecordedRequest | undefined): string[] {
  const input = (modelCall?.body as { input?: ToolOutput[] } | undefined)?.input;
  return (input ?? [])
    .filter(({ type }) => type.endsWith('_call_output'))
    .map(({ output = [] }) =>
      typeof output === 'string' ? output : output.map(({ text = '' }) => text).join('\n'),
    );
}
