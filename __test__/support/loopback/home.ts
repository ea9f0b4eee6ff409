// A CODEX_HOME that leads to the loopback backend.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { makeHomeDirectory } from '../homes.mjs';

export interface HomeOptions {
  /** The login, by default a ChatGPT account. */
  login?: 'chatgpt' | 'api-key' | 'none';
  /**
   * Uses the backend like a third party's relay, for which the CLI mounts no image tool (0.132 and
   * 0.140 do with a ChatGPT login).
   */
  relay?: boolean;
  /** The model, if not the CLI's default. It decides between code mode and direct tools. */
  model?: string;
  /** The directory in which the home is made, by default in this checkout. */
  parent?: string;
  /** Added at the end of config.toml: top-level keys first, then tables. */
  config?: string;
}

export interface Home {
  /** The directory that CODEX_HOME names. */
  path: string;
  /** The variables that a child process needs, besides PATH and the like. */
  env: Record<string, string>;
  remove(): Promise<void>;
}

export interface Place {
  origin: string;
  /** PEM of the authority behind the origin's certificate. */
  ca: string;
}

/** Makes a CODEX_HOME as a sign-in leaves it, with the loopback's account and backend. */
export async function makeHome({ origin, ca }: Place, options: HomeOptions = {}): Promise<Home> {
  const path = options.parent === undefined ? makeHomeDirectory() : await below(options.parent);
  const caFile = join(path, 'ca.pem');
  await writeFile(caFile, ca);
  await writeFile(join(path, 'config.toml'), configToml(origin, options));
  const auth = authJson(options.login ?? 'chatgpt');
  if (auth !== undefined) await writeFile(join(path, 'auth.json'), auth, { mode: 0o600 });
  return {
    path,
    env: {
      CODEX_HOME: path,
      CODEX_CA_CERTIFICATE: caFile,
      // 0.144 uses the system's trust store for some requests.
      SSL_CERT_FILE: caFile,
      // After a 401 the CLI renews its tokens, by default at the real service.
      CODEX_REFRESH_TOKEN_URL_OVERRIDE: `${origin}/oauth/token`,
    },
    // A killed CLI may still be writing its last file.
    remove: () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 }),
  };
}

async function below(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  return mkdtemp(join(parent, 'home-'));
}

function configToml(origin: string, options: HomeOptions): string {
  const lines = [
    `chatgpt_base_url = "${origin}/backend-api"`,
    `openai_base_url = "${origin}/backend-api/codex"`,
    // Otherwise bodies are compressed with zstd, which Node 20 cannot decode.
    'features.enable_request_compression = false',
  ];
  if (options.model !== undefined) lines.push(`model = "${options.model}"`);
  if (options.relay === true) {
    lines.push(
      'model_provider = "relay"',
      'model_providers.relay.name = "A relay"',
      `model_providers.relay.base_url = "${origin}/relay"`,
      'model_providers.relay.wire_api = "responses"',
    );
  }
  return [...lines, options.config ?? ''].join('\n');
}

function authJson(login: 'chatgpt' | 'api-key' | 'none'): string | undefined {
  switch (login) {
    case 'none':
      return undefined;
    case 'api-key':
      return JSON.stringify({
        auth_mode: 'apikey',
        OPENAI_API_KEY: 'sk-loopback-0123456789abcdef',
      });
    case 'chatgpt': {
      const token = unsignedToken();
      return JSON.stringify({
        auth_mode: 'chatgpt',
        OPENAI_API_KEY: null,
        tokens: {
          id_token: token,
          access_token: token,
          refresh_token: 'loopback',
          account_id: ACCOUNT,
        },
        last_refresh: new Date().toISOString(),
      });
    }
  }
}

export const ACCOUNT = 'loopback-account';

/** The CLI reads its tokens, and leaves their signature to the backend. */
function unsignedToken(): string {
  const claims = {
    exp: Math.floor(Date.now() / 1000) + 24 * 60 * 60,
    email: 'loopback@example.com',
    'https://api.openai.com/auth': {
      chatgpt_plan_type: 'plus',
      chatgpt_account_id: ACCOUNT,
      chatgpt_user_id: 'loopback-user',
      user_id: 'loopback-user',
    },
  };
  const parts = [JSON.stringify({ alg: 'none', typ: 'JWT' }), JSON.stringify(claims), 'sig'];
  return parts.map((part) => Buffer.from(part).toString('base64url')).join('.');
}
