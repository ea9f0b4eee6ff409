// Aborts a call when the agent has started its tools, and prints what the call rejects with.
import { generateCodexImage } from 'codex-image';

const controller = new AbortController();
const { signal } = controller;
const options = { ...JSON.parse(process.argv[2] ?? ''), signal };
const onProgress = (line) => {
  if (line === 'I am thinking.') controller.abort();
};
const reason = await generateCodexImage(options, onProgress).catch((error) => error);
console.log(JSON.stringify({ name: reason.name, isReason: reason === signal.reason }));
