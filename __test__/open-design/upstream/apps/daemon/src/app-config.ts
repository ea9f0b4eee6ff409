// The user's saved settings, as far as they concern Codex.

import { readFile } from 'node:fs/promises';
import path from 'node:path';

export type AgentCliEnvPrefs = Record<string, Record<string, string>>;

export interface AppConfigPrefs {
  agentCliEnv?: AgentCliEnvPrefs;
}

/** Every other variable is dropped when the settings are read. */
const ALLOWED = ['CODEX_HOME', 'CODEX_BIN', 'OPENAI_BASE_URL', 'CODEX_API_KEY', 'OPENAI_API_KEY'];

export function appConfigDir(projectRoot: string, env: NodeJS.ProcessEnv = process.env): string {
  const configured = env.OD_DATA_DIR?.trim();
  return configured ? path.resolve(projectRoot, configured) : path.join(projectRoot, '.od');
}

export async function readAppConfig(dataDir: string): Promise<AppConfigPrefs> {
  const file = path.join(dataDir, 'app-config.json');
  const text = await readFile(file, 'utf8').catch(() => '{}');
  const { agentCliEnv = {} } = JSON.parse(text) as AppConfigPrefs;
  const codex = Object.entries(agentCliEnv.codex ?? {}).filter(([name]) => ALLOWED.includes(name));
  return { agentCliEnv: { codex: Object.fromEntries(codex) } };
}

export function agentCliEnvForAgent(
  prefs: AgentCliEnvPrefs | undefined,
  agentId: string,
): Record<string, string> {
  return { ...prefs?.[agentId] };
}
