/** The environment of an agent: the user's settings over what the daemon inherited. */
export function spawnEnvForAgent(
  _agentId: string,
  baseEnv: NodeJS.ProcessEnv | Record<string, string>,
  configuredEnv: unknown = {},
): NodeJS.ProcessEnv {
  return { ...baseEnv, ...Object(configuredEnv) };
}
