// What a tool returns: the same facts as text for models, and as data for programs. Never the
// image: docs/mcp.md has the reason, with figures.

import path from 'node:path';
import { pathToFileURL } from 'node:url';

import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/server';

import { failureOf, type ToolFailure } from './failures.mjs';

/** An image that was written to a file. */
export interface WrittenImage {
  path: string;
  width: number;
  height: number;
  verified: boolean;
  thread_id?: string;
  duration_ms: number;
  warnings: string[];
}

export interface Outcome {
  images: WrittenImage[];
  failures: ToolFailure[];
}

export function failed(error: unknown): CallToolResult {
  return resultOf({ images: [], failures: [failureOf(error)] }, false);
}

/** It is an error if there is no image at all. */
export function resultOf(outcome: Outcome, withLinks: boolean): CallToolResult {
  const { images, failures } = outcome;
  const lines = [...images.flatMap(describe), ...failures.flatMap(explain)];
  const text: ContentBlock = { type: 'text', text: lines.join('\n') };
  const links = withLinks ? images.map(linkTo) : [];
  return {
    content: [text, ...links],
    structuredContent: { images, failures },
    ...(images.length === 0 ? { isError: true } : {}),
  };
}

function describe(image: WrittenImage): string[] {
  const { width, height, verified, thread_id: thread, duration_ms: ms, warnings } = image;
  const facts = [
    `${width} × ${height} pixels`,
    verified ? 'verified' : 'not verified',
    ...(thread === undefined ? [] : [`thread ${thread}`]),
    `${Math.round(ms / 1000)} s`,
  ];
  return [`${image.path}: ${facts.join(', ')}`, ...warnings.map((text) => `Warning: ${text}`)];
}

function explain({ code, message, fix, thread_id: thread, resets_at: reset }: ToolFailure) {
  const facts = [thread && `thread_id: ${thread}`, reset && `resets_at: ${reset}`];
  return [`${message} [${code}]`, `To do: ${fix}`, ...facts.filter(Boolean)];
}

function linkTo(image: WrittenImage): ContentBlock {
  return {
    type: 'resource_link',
    uri: pathToFileURL(image.path).href,
    name: path.basename(image.path),
    mimeType: 'image/png',
  };
}
