// What the prebundled daemon loads from node_modules, and what must not be in its bundle.

export const MAC_PREBUNDLE_RUNTIME_DEPENDENCIES = {
  'better-sqlite3': '12.10.0',
  // @edit dependency
} as const;

export const MAC_PREBUNDLE_POLICIES = {
  daemonCli: {
    externals: [
      'better-sqlite3',
      // @edit external
    ],
    forbiddenInputs: [
      '/node_modules/better-sqlite3/',
      // @edit forbidden
    ],
  },
} as const;
