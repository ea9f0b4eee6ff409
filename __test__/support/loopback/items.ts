// Items of a response, as the backend sends them.

import { randomBytes } from 'node:crypto';

import type { ModelRequest, Route } from './request.js';

/** An item of a model's answer, as it is sent. */
export interface Item {
  type: string;
  id: string;
  [member: string]: unknown;
}

export function message(text: string): Item {
  return {
    type: 'message',
    role: 'assistant',
    id: newId('msg'),
    content: [{ type: 'output_text', text }],
  };
}

/** The hosted tool runs on OpenAI's side: its item has the image, once there is one. */
export function hostedImage(): Item {
  return { type: 'image_generation_call', id: newId('ig') };
}

/**
 * Makes the CLI request the backend's image endpoint. The model follows the prompt as far as the
 * tool allows.
 */
export function imageCall(
  route: Exclude<Route, 'hosted'>,
  prompt: string,
  asked: ModelRequest,
): Item {
  const { references, transparent } = asked;
  const wanted = {
    ...(references.length > 0 && { referenced_image_paths: references }),
    ...(transparent && { transparent_background: true }),
  };
  const known = Object.entries(wanted).filter(([name]) => asked.imageParameters.includes(name));
  const input = { prompt, ...Object.fromEntries(known) };
  if (route === 'direct') return functionCall('imagegen', input, 'image_gen');
  const picture = `await tools.image_gen__imagegen(${JSON.stringify(input)})`;
  return cellCall(`generatedImage(${picture});`, asked);
}

export function shellCall(command: string, asked: ModelRequest, escalated = false): Item {
  const { shellRoute, shellTool = 'exec_command' } = asked;
  const input = {
    ...(shellTool === 'exec_command' ? { cmd: command } : { command }),
    ...(escalated && { sandbox_permissions: 'require_escalated', justification: 'To draw.' }),
  };
  if (shellRoute === 'direct') return functionCall(shellTool, input);
  return cellCall(`text(await tools.${shellTool}(${JSON.stringify(input)}));`, asked);
}

function functionCall(name: string, input: object, namespace?: string): Item {
  return {
    type: 'function_call',
    id: newId('fc'),
    call_id: newId('call'),
    name,
    arguments: JSON.stringify(input),
    ...(namespace !== undefined && { namespace }),
  };
}

/** Code mode: the only tool is a JavaScript cell, and the others are functions in it. */
function cellCall(source: string, { cellNamespace }: ModelRequest): Item {
  return {
    type: 'custom_tool_call',
    id: newId('ctc'),
    call_id: newId('call'),
    name: 'exec',
    status: 'completed',
    // Otherwise a slow cell is left running, and the model is asked what to do next.
    input: `// @exec: {"yield_time_ms": 600000}\n${source}`,
    ...(cellNamespace !== undefined && { namespace: cellNamespace }),
  };
}

/** Some ids become file names, so they look like real ones. */
function newId(prefix: string): string {
  return `${prefix}_${randomBytes(12).toString('hex')}`;
}
