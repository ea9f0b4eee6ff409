// A daemon's test. jest runs modules as scripts of `vm`, which have no `import()`.
const { CODEX_CLI_PROVIDER, renderCodexCliImage } = require('codex-image/open-design');

test('the provider draws', async () => {
  const { prompt, env, png } = JSON.parse(process.env.CALL);
  const context = { surface: 'image', prompt };
  const { bytes } = await renderCodexCliImage(context, null, { environment: env });
  expect(bytes.toString('base64')).toBe(png);
  expect(CODEX_CLI_PROVIDER.id).toBe('codex-cli');
});
