// Reads what Codex asked the backend for.

import type { IncomingHttpHeaders } from 'node:http';

/**
 * How a version of the CLI lets the model draw: OpenAI's tool, a tool call, or a call from a
 * JavaScript cell.
 */
export type Route = 'hosted' | 'direct' | 'code';

export type ShellTool = 'exec_command' | 'shell_command';

/** What a script needs of a model request. */
export interface ModelRequest {
  threadId: string;
  turnId: string | undefined;
  /** The text of the user's last message. */
  userPrompt: string;
  /** The part of the prompt that describes the image: within its fence, if it has one. */
  brief: string;
  /** The aspect that the prompt asks for, as `W:H`. */
  aspect: string;
  /** The path to which the prompt wants a copy. */
  copyTarget: string | undefined;
  /** The paths of the reference images in the prompt. */
  references: string[];
  /** Whether the prompt asks for a transparent background. */
  transparent: boolean;
  /** The path of the last image, as the CLI reported it. */
  savedImage: string | undefined;
  imageRoute: Route | undefined;
  /** The names of arguments that a call of the image tool may have. */
  imageParameters: string[];
  shellRoute: 'direct' | 'code' | undefined;
  /** The name of the shell's tool, which differs on Windows. */
  shellTool: ShellTool | undefined;
  /** The namespace of the `exec` tool in code mode, if it has one (0.169). */
  cellNamespace: string | undefined;
}

export function readModelRequest(body: unknown, headers: IncomingHttpHeaders): ModelRequest {
  const input = listOf(body, 'input');
  const tools = declaredTools(body, input);
  const cell = tools.find((tool) => tool.type === 'custom' && tool.name === 'exec');
  const turn = turnMetadata(headers);
  const userPrompt = lastUserText(input);
  return {
    threadId: turn.threadId ?? textOf(body, 'prompt_cache_key') ?? '',
    turnId: turn.turnId,
    userPrompt,
    brief: briefOf(userPrompt),
    aspect: ASPECT.exec(userPrompt)?.[1] ?? '1:1',
    copyTarget: COPY_TARGET.exec(userPrompt)?.[0].trim(),
    references: [...userPrompt.matchAll(REFERENCE)].map(([file]) => file.trim()),
    transparent: userPrompt.includes("Set the tool's transparent_background to true"),
    savedImage: savedImage(input),
    imageRoute: imageRoute(tools, cell),
    imageParameters: imageParameters(tools, cell),
    ...shell(tools, cell),
    cellNamespace: cell?.namespace,
  };
}

/** Returns the part of the prompt that describes the image: within its fence, if it has one. */
export function briefOf(userPrompt: string): string {
  return BRIEF.exec(userPrompt)?.[2] ?? userPrompt;
}

/** Named in every request of a turn, from 0.150 on also in the CLI's own image requests. */
export function turnMetadata(headers: IncomingHttpHeaders): {
  threadId: string | undefined;
  turnId: string | undefined;
} {
  const metadata = headers['x-codex-turn-metadata'];
  const turn: unknown = typeof metadata === 'string' ? JSON.parse(metadata) : undefined;
  const imageTurn = headers['x-codex-image-turn-id'];
  return {
    threadId: textOf(turn, 'thread_id'),
    turnId: textOf(turn, 'turn_id') ?? (typeof imageTurn === 'string' ? imageTurn : undefined),
  };
}

const BRIEF = /<(brief[^>]*)>\n(.*)\n<\/\1>/s;
const ASPECT = /aspect ratio of (\d+:\d+)/;
/** Matches an absolute path, which may have blanks on a line of its own. */
const COPY_TARGET =
  /^[^\S\n]*(?:\/|[A-Za-z]:\\)[^\n]*od-codex-image\.png$|(?<=\s)(?:\/|[A-Za-z]:\\)\S*od-codex-image\.png/m;
/** Matches an absolute path on a line of its own, one for each reference image. */
const REFERENCE = /^[^\S\n]*(?:\/|[A-Za-z]:\\)[^\n]*reference-\d+\.\w+$/gm;

/** Reported with every image. The hosted tool's wording leaves the id open. */
const SAVED_AS = /Generated images are saved to .+ as (.+) by default\./g;

function savedImage(input: readonly unknown[]): string | undefined {
  const told = [...texts(input).join('\n').matchAll(SAVED_AS)].at(-1)?.[1];
  const hosted = input.findLast((item) => textOf(item, 'type') === 'image_generation_call');
  return told?.replace('_image_id_', textOf(hosted, 'id') ?? '');
}

function lastUserText(input: readonly unknown[]): string {
  const message = input.findLast(
    (item) => textOf(item, 'type') === 'message' && textOf(item, 'role') === 'user',
  );
  return texts([message]).join('\n');
}

/** Returns the text parts of messages and of tool outputs. */
function texts(items: readonly unknown[]): string[] {
  return items
    .flatMap((item) => [...listOf(item, 'content'), ...listOf(item, 'output')])
    .flatMap((part) => textOf(part, 'text') ?? []);
}

interface Tool {
  type: string | undefined;
  name: string | undefined;
  description: string;
  namespace: string | undefined;
  /** Returns the names of its arguments. */
  parameters: string[];
}

/** Older CLIs declare tools beside the input, newer models need them as an item of it. */
function declaredTools(body: unknown, input: readonly unknown[]): Tool[] {
  const added = input.filter((item) => textOf(item, 'type') === 'additional_tools');
  return [...listOf(body, 'tools'), ...added.flatMap((item) => listOf(item, 'tools'))].flatMap(
    (tool) =>
      textOf(tool, 'type') === 'namespace'
        ? listOf(tool, 'tools').map((inner) => asTool(inner, textOf(tool, 'name')))
        : [asTool(tool, undefined)],
  );
}

function asTool(tool: unknown, namespace: string | undefined): Tool {
  return {
    type: textOf(tool, 'type'),
    name: textOf(tool, 'name'),
    description: textOf(tool, 'description') ?? '',
    namespace,
    parameters: Object.keys(recordOf(recordOf(tool, 'parameters'), 'properties')),
  };
}

/** In code mode the declaration is TypeScript within the description of the cell. */
function imageParameters(tools: readonly Tool[], cell: Tool | undefined): string[] {
  const tool = tools.find(
    ({ namespace, name }) => namespace === 'image_gen' && name === 'imagegen',
  );
  const declared = /image_gen__imagegen\(args: \{(.*?)\}\)/s.exec(cell?.description ?? '')?.[1];
  return (
    tool?.parameters ?? [...(declared ?? '').matchAll(/(\w+)\??:/g)].map(([, name = '']) => name)
  );
}

function imageRoute(tools: readonly Tool[], cell: Tool | undefined): Route | undefined {
  if (tools.some(({ namespace, name }) => namespace === 'image_gen' && name === 'imagegen'))
    return 'direct';
  if (cell?.description.includes('image_gen__imagegen(')) return 'code';
  if (tools.some(({ type }) => type === 'image_generation')) return 'hosted';
  return undefined;
}

function shell(
  tools: readonly Tool[],
  cell: Tool | undefined,
): Pick<ModelRequest, 'shellRoute' | 'shellTool'> {
  const direct = SHELL_TOOLS.find((tool) => tools.some(({ name }) => name === tool));
  if (direct !== undefined) return { shellRoute: 'direct', shellTool: direct };
  const inCell = SHELL_TOOLS.find((tool) => cell?.description.includes(`${tool}(args`));
  return { shellRoute: inCell && 'code', shellTool: inCell };
}

const SHELL_TOOLS: readonly ShellTool[] = ['exec_command', 'shell_command'];

export function textOf(value: unknown, key: string): string | undefined {
  const member = isRecord(value) ? value[key] : undefined;
  return typeof member === 'string' ? member : undefined;
}

function recordOf(value: unknown, key: string): Record<string, unknown> {
  const member: unknown = isRecord(value) ? value[key] : undefined;
  return isRecord(member) ? member : {};
}

function listOf(value: unknown, key: string): readonly unknown[] {
  const member: unknown = isRecord(value) ? value[key] : undefined;
  return Array.isArray(member) ? member : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
