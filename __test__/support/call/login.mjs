// A login for tests, as `auth.json` has it.

/** A ChatGPT login as Codex writes it to `auth.json`, with invented tokens. */
export const CHATGPT_LOGIN = {
  auth_mode: 'chatgpt',
  OPENAI_API_KEY: null,
  tokens: {
    id_token: 'eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYi5jIn0.c2ln',
    access_token: 'eyJhbGciOiJub25lIn0.eyJleHAiOjk5OTk5OTk5OTl9.c2ln',
    refresh_token: 'rt_made-up',
    account_id: 'made-up',
  },
  last_refresh: '2026-01-01T00:00:00Z',
};
