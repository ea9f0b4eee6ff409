// A lean turn switches off what an image does not need.

import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { describe, expect } from 'vitest';

import { type GenerateOptions } from '../../index.js';
import { PICTURE } from '../support/image/small-png.js';
import { valuesOf } from '../support/call/arguments.js';
import { save, turn } from '../support/stub/steps.js';
import { type StubCodex, test } from '../support/stub/stub.js';

/** The `-c` settings of one call, in order. */
async function settings(
  codex: StubCodex,
  options: Partial<GenerateOptions> = {},
): Promise<string[]> {
  expect(await codex.generate(turn(save('store', PICTURE)), options)).toEqual(PICTURE);
  return valuesOf('-c', (await codex.turn()).args);
}

/** Settings of every turn, lean or not. */
const NEEDED = [
  'sandbox_workspace_write.network_access=true',
  'shell_environment_policy.inherit=core',
  'features.shell_snapshot=false',
  expect.stringMatching(/^shell_environment_policy\.set\.OD_CODEX_IMAGE_RUN="[0-9a-f]{16}"$/),
  'project_root_markers=[]',
  'sandbox_workspace_write.writable_roots=[]',
  'sandbox_workspace_write.exclude_slash_tmp=true',
  'sandbox_workspace_write.exclude_tmpdir_env_var=true',
];

const SWITCHED_OFF = [
  'features.apps=false',
  'features.browser_use=false',
  'features.computer_use=false',
  'features.goals=false',
  'features.hooks=false',
  'features.memories=false',
  'features.multi_agent=false',
  'features.plugins=false',
  'web_search="disabled"',
  'analytics.enabled=false',
  'model_reasoning_effort="low"',
  'notify=[]',
  'project_doc_max_bytes=0',
  'skills.include_instructions=false',
];

/** Settings of the login and the connection, which are never changed. */
const THEIRS =
  /^(model_provider|openai_base_url|chatgpt_base_url|cli_auth|forced_login|preferred_auth|proxy|ca_|model=)/;

test.for([undefined, null, true])('a turn is lean where lean is %s', async (lean, { codex }) => {
  const given = await settings(codex, { lean });
  expect(given).toEqual(expect.arrayContaining([...SWITCHED_OFF, ...NEEDED]));
  // The last setting of a key wins.
  const last = Math.max(...SWITCHED_OFF.map((setting) => given.indexOf(setting)));
  expect(given.slice(last + 1)).toEqual(expect.arrayContaining(NEEDED));
  for (const setting of given) expect(setting).not.toMatch(THEIRS);
});

test("a turn has the user's settings where lean is false", async ({ codex }) => {
  await codex.config('[mcp_servers.files]\ncommand = "files"\n');
  const given = await settings(codex, { lean: false });
  expect(given).toEqual(expect.arrayContaining(NEEDED));
  for (const setting of SWITCHED_OFF) expect(given).not.toContain(setting);
  for (const setting of given) expect(setting).not.toMatch(/^(mcp_servers|tools|skills|include_)/);
});

test.for([true, false])(
  "a turn ignores the user's rules where lean is %s",
  async (lean, { codex }) => {
    await settings(codex, { lean });
    expect((await codex.turn()).args).toContain('--ignore-rules');
  },
);

test('a turn is lean in every sandbox', async ({ codex }) => {
  for (const sandbox of ['read-only', 'danger-full-access'] as const) {
    await codex.generate(turn(save('store', PICTURE)), { sandbox });
    const { args = [] } = (await codex.recordings()).at(-1) ?? {};
    expect(valuesOf('-c', args)).toEqual(expect.arrayContaining(SWITCHED_OFF));
  }
});

test('a turn has no `-c` key twice', async ({ codex }) => {
  await codex.config('[mcp_servers.files]\ncommand = "files"\n');
  const keys = (await settings(codex)).map((setting) => setting.split('=', 1)[0]);
  expect(new Set(keys).size).toBe(keys.length);
});

test('a turn sets features without `--disable`, which refuses unknown names', async ({ codex }) => {
  await settings(codex, { disableFeatures: ['image_detail'] });
  expect(valuesOf('--disable', (await codex.turn()).args)).toEqual(['image_detail']);
});

describe("the caller's config", () => {
  test.for([true, false])('comes last, lean: %s', async (lean, { codex }) => {
    const config = {
      model_reasoning_effort: '"high"',
      'features.apps': 'true',
      web_search: '"live"',
      notify: '["a-program"]',
    };
    const given = await settings(codex, { lean, config });
    expect(given.slice(-4)).toEqual([
      'model_reasoning_effort="high"',
      'features.apps=true',
      'web_search="live"',
      'notify=["a-program"]',
    ]);
  });
});

describe("the user's MCP servers", () => {
  /** Returns the setting that switches the servers off. */
  async function serversOff(codex: StubCodex, toml: string): Promise<string[]> {
    await codex.config(toml);
    return (await settings(codex)).filter((setting) => setting.startsWith('mcp_servers'));
  }

  test('are switched off, each by its name', async ({ codex }) => {
    const toml = `
      [mcp_servers.files]
      command = "files"

      [mcp_servers.files.env]
      TOKEN = "a-secret-token"

      [mcp_servers."name with.dot"]
      url = "https://127.0.0.1:9/mcp"
      bearer_token_env_var = "TOKEN"

      [mcp_servers.off]
      command = "off"
      enabled = false
    `;
    const [setting = '', ...rest] = await serversOff(codex, toml);
    expect(rest).toEqual([]);
    expect(setting.slice(0, 'mcp_servers={'.length)).toBe('mcp_servers={');
    expect(setting).toMatch(/\bfiles"? = \{ enabled = false \}/);
    expect(setting).toContain('"name with.dot" = { enabled = false }');
    expect(setting).toMatch(/\boff"? = \{ enabled = false \}/);
    expect(setting).not.toContain('a-secret-token');
  });

  test.for<[what: string, toml: string]>([
    ['inline', 'mcp_servers = { files = { command = "files" } }'],
    ['by a dotted key', 'mcp_servers.files.command = "files"'],
  ])('are switched off where they are written %s', async ([, toml], { codex }) => {
    expect(await serversOff(codex, toml)).toEqual([
      expect.stringMatching(/^mcp_servers=\{ "?files"? = \{ enabled = false \} \}$/),
    ]);
  });

  test.for<[what: string, toml: string]>([
    ['there are none', 'model = "gpt-5"'],
    ['the table is empty', '[mcp_servers]'],
    ['there is no table', 'mcp_servers = 5'],
    ['the file does not parse', 'mcp_servers = = 5'],
    ['the file is empty', ''],
  ])('are not mentioned where %s', async ([, toml], { codex }) => {
    expect(await serversOff(codex, toml)).toEqual([]);
  });

  test('are those of codexHome', async ({ codex }) => {
    await codex.config('[mcp_servers.files]\ncommand = "files"\n');
    const env = { ...codex.env, CODEX_HOME: codex.scratch };
    const given = await settings(codex, { env, codexHome: codex.home });
    expect(given.filter((setting) => setting.startsWith('mcp_servers'))).toHaveLength(1);
  });

  test("stay in the user's file", async ({ codex }) => {
    const toml = '# mine\n[mcp_servers.files]\ncommand = "files"\n';
    await serversOff(codex, toml);
    expect(await readFile(path.join(codex.home, 'config.toml'), 'utf8')).toBe(toml);
  });
});
