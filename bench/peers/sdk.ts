// OpenAI's own SDK for the Codex CLI. It starts `codex exec` as well. It knows nothing of pictures,
// so the peer finds them itself.

import { Codex } from '@openai/codex-sdk';

import { inWorkspace, type Peer, readImage, promptFor } from './contract.js';

export const sdk: Peer = (order) =>
  inWorkspace(order, async (workspace) => {
    // Otherwise the SDK would run the version that it was published with.
    const codex = new Codex({ codexPathOverride: order.codexPath, env: order.env });
    const thread = codex.startThread({
      workingDirectory: workspace,
      skipGitRepoCheck: true,
      sandboxMode: 'workspace-write',
      networkAccessEnabled: true,
    });
    const { events } = await thread.runStreamed(promptFor(order, workspace));
    for await (const event of events) {
      if (event.type === 'turn.failed') throw new Error(event.error.message);
      if (event.type === 'item.completed' && event.item.type === 'agent_message') {
        order.onProgress?.(event.item.text);
      }
    }
    return readImage(order, workspace, thread.id);
  });
