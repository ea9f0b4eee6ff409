// The tool `check_codex`.

import type { CallToolResult } from '@modelcontextprotocol/server';

import { loadAddon } from '../addon.mjs';
import type { Settings } from './draw.mjs';
import { failureOf } from './failures.mjs';

interface Problem {
  code: string;
  message: string;
  fix: string;
  blocking: boolean;
}

interface Report {
  ready: boolean;
  version?: string;
  login: string;
  image_tool: string;
  problems: Problem[];
}

/** A check that fails is the problem itself. */
export async function checkCodex(settings: Settings): Promise<CallToolResult> {
  const report = await read(settings).catch((error: unknown): Report => {
    const { code, message, fix } = failureOf(error);
    const problems = [{ code, message, fix, blocking: true }];
    return { ready: false, login: 'unknown', image_tool: 'unlikely', problems };
  });
  return {
    content: [{ type: 'text', text: describe(report).join('\n') }],
    structuredContent: { ...report },
  };
}

/** Without the path of the CLI, which a model does not need. */
async function read({ codexPath, codexHome }: Settings): Promise<Report> {
  const addon = await loadAddon();
  const readiness = await addon.checkCodex({ codexPath, codexHome });
  const { ready, version, login, imageTool, problems } = readiness;
  return {
    ready,
    ...(version === undefined ? {} : { version }),
    login,
    image_tool: imageTool,
    problems: problems.map(({ code, message, fix, blocking }) => ({
      code,
      message,
      fix,
      blocking,
    })),
  };
}

function describe({ ready, version, login, image_tool: tool, problems }: Report): string[] {
  return [
    ready ? 'Ready to draw.' : 'Not ready to draw.',
    `Codex CLI: ${version ?? 'unknown'}. Login: ${login}. Image tool: ${tool}.`,
    ...problems.flatMap(({ code, message, fix, blocking }) => [
      `${blocking ? 'Problem' : 'Hint'}: ${message} [${code}]`,
      `To do: ${fix}`,
    ]),
  ];
}
