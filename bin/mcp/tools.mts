// The tools: what a model reads about them, and what they accept and return.

import {
  type CallToolResult,
  type ClientCapabilities,
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod/v4';

import type { Calls } from './calls.mjs';
import { checkCodex } from './check.mjs';
import { generateImages, type Request, recoverImage, type Settings } from './draw.mjs';
import { ToolError } from './failures.mjs';
import { failed, type Outcome, resultOf } from './results.mjs';
import { namedRoot, type Root, rootsFrom, workingDirectory } from './roots.mjs';

export type { Settings } from './draw.mjs';

const PLACE =
  'Relative paths start at the first root: that of --root, else of the client, else the working ' +
  'directory of this server. Absolute paths must lie within a root.';
const OUTPUT = `a new PNG file. ${PLACE} Its directory must exist. An existing file or link is refused, never replaced.`;

const outputPath = (byDefault: string) =>
  z.string().min(1).optional().describe(`Path of ${OUTPUT} By default ${byDefault}.`);

const GENERATE = z.strictObject({
  prompt: z
    .string()
    .regex(/\S/)
    .describe(
      'What the picture shows: subject, setting, style, light, colours, and any text in it, ' +
        'spelled out. A description, not instructions.',
    ),
  aspect: z
    .string()
    .regex(/^\d+:\d+$/)
    .optional()
    .describe('Width to height, as two whole numbers such as 16:9. 1:1 by default. A wish.'),
  reference_images: z
    .array(z.string().min(1))
    .max(5)
    .optional()
    .describe(
      'Paths of pictures to start from or to edit: PNG, JPEG, WebP or GIF, at most 16 MiB each. ' +
        `They are sent to OpenAI. ${PLACE}`,
    ),
  transparent: z.boolean().optional().describe('Whether to ask for a transparent background.'),
  count: z
    .int()
    .min(1)
    .max(4)
    .optional()
    .describe(
      'Number of pictures of the same prompt, 1 by default. Each counts against the plan. With 2 ' +
        'or more, files are numbered: fox-1.png, fox-2.png.',
    ),
  output_path: outputPath('it is named after the prompt, such as a-red-fox.png, in the first root'),
});

const RECOVER = z.strictObject({
  thread_id: z.string().min(1).describe('`thread_id` of a result or of a failure.'),
  output_path: outputPath('it is named after the thread, in the first root'),
});

const IMAGE = z.object({
  path: z.string().describe('Absolute path of the PNG file.'),
  width: z.number().describe('In pixels.'),
  height: z.number().describe('In pixels.'),
  verified: z.boolean().describe('Whether it provably came from the image tool of Codex.'),
  thread_id: z.string().optional().describe('For recover_image.'),
  duration_ms: z.number(),
  warnings: z.array(z.string()),
});

const FAILURE = z.object({
  code: z.string(),
  message: z.string().describe('For the user.'),
  fix: z.string().describe('What to do next.'),
  retryable: z.boolean(),
  thread_id: z.string().optional(),
  resets_at: z.string().optional().describe('When a usage limit resets.'),
});

const IMAGES = z.object({
  images: z.array(IMAGE),
  failures: z.array(FAILURE).describe('One for each picture that is missing.'),
});

const READINESS = z.object({
  ready: z.boolean(),
  version: z.string().optional().describe('Of the Codex CLI.'),
  login: z.string(),
  image_tool: z.string(),
  problems: z.array(
    z.object({ code: z.string(), message: z.string(), fix: z.string(), blocking: z.boolean() }),
  ),
});

export function addTools(mcp: McpServer, settings: Settings, calls: Calls): void {
  /** Runs a tool that uses files, once it is known where. */
  const withRoots = (
    context: ServerContext,
    run: (request: Request) => Promise<Outcome>,
  ): Promise<CallToolResult | InputRequiredResult> => {
    const call = async () => {
      try {
        const roots = await rootsOf(mcp, settings, context);
        if (roots === undefined) return inputRequired({ inputRequests: { roots: LIST_ROOTS } });
        return resultOf(await run({ roots, settings, context }), knowsLinks(mcp));
      } catch (error) {
        context.mcpReq.signal.throwIfAborted();
        return failed(error);
      }
    };
    return calls.follow(call());
  };

  mcp.registerTool(
    'generate_image',
    {
      title: 'Draw a picture',
      description:
        'Draws a picture from a description, with the image model of OpenAI through the Codex CLI ' +
        'of the user, and writes it as a PNG file. Takes about a minute, and counts against the ' +
        "user's ChatGPT plan. Returns the path and the size; the picture itself is not returned: " +
        'open the file to look at it.',
      inputSchema: GENERATE,
      outputSchema: IMAGES,
      annotations: {
        readOnlyHint: false,
        destructiveHint: false,
        idempotentHint: false,
        openWorldHint: true,
      },
    },
    (input, context) => withRoots(context, (request) => generateImages(input, request)),
  );

  mcp.registerTool(
    'recover_image',
    {
      title: 'Recover a picture',
      description:
        'Writes the picture of an earlier thread once more, without drawing: quick, offline and ' +
        'at no cost. For pictures that a timeout, a cancelled call or a failed write has lost.',
      inputSchema: RECOVER,
      outputSchema: IMAGES,
      annotations: {
        readOnlyHint: false,
        destructiveHint: false,
        idempotentHint: false,
        openWorldHint: false,
      },
    },
    (input, context) => withRoots(context, (request) => recoverImage(input, request)),
  );

  mcp.registerTool(
    'check_codex',
    {
      title: 'Check Codex',
      description:
        'Tells whether this machine can draw: whether the Codex CLI is installed, signed in, and ' +
        'has its image tool; with the fix of each problem. Quick, offline and at no cost.',
      inputSchema: z.strictObject({}),
      outputSchema: READINESS,
      annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    },
    () => calls.follow(checkCodex(settings)),
  );
}

const LIST_ROOTS = inputRequired.listRoots();

/** Undefined means that the client has to be asked. */
async function rootsOf(
  mcp: McpServer,
  { root }: Settings,
  { mcpReq }: ServerContext,
): Promise<Root[] | undefined> {
  if (root !== undefined) return namedRoot(root);
  // Of the request since 2026-07-28, of the connection before. Its type has no members.
  const envelope: { [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities } | undefined =
    mcpReq.envelope;
  const capabilities =
    envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? mcp.server.getClientCapabilities();
  if (capabilities?.roots === undefined) return workingDirectory();
  if (mcpReq.inputResponses === undefined) return undefined;
  const answer = inputResponse(mcpReq.inputResponses, 'roots');
  if (answer.kind !== 'roots') {
    throw new ToolError('NO_ROOTS', 'The client has not named its roots');
  }
  return answer.roots.length === 0 ? workingDirectory() : rootsFrom(answer.roots);
}

/** Older clients reject results with links to files. */
function knowsLinks(mcp: McpServer): boolean {
  return (mcp.server.getNegotiatedProtocolVersion() ?? '') >= '2025-06-18';
}
