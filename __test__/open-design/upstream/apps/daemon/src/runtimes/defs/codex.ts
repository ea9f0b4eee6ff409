export interface RuntimeAgentDef {
  id: string;
  bin: string;
}

export const codexAgentDef = { id: 'codex', bin: 'codex' } satisfies RuntimeAgentDef;
