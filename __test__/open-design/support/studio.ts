// A project, a daemon and its client: with the stub, or with the real CLI. When a test is over the daemon stops, and then the CLI's
// own fixture checks that nothing is left.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import type { RenderOverrides } from '../../../dist/open-design.mjs';
import { type RealCodex, test as realTest, type Way } from '../../support/real.js';
import { STUB, type StubCodex, test as stubTest } from '../../support/stub.js';
import { Client } from './client.js';
import { MediaDaemon } from './daemon.js';

export class Studio {
  readonly client: Client;

  private constructor(
    readonly daemon: MediaDaemon,
    private readonly project: string,
  ) {
    this.client = new Client(daemon.origin);
  }

  static async open(scratch: string, overrides: () => RenderOverrides): Promise<Studio> {
    const project = path.join(scratch, 'project');
    await mkdir(project);
    return new Studio(await MediaDaemon.start({ project, overrides }), project);
  }

  /** What the daemon's resolvers say from now on. */
  resolve(overrides: RenderOverrides): void {
    this.daemon.configure({ overrides: () => overrides });
  }

  /** Puts a file into the project. */
  async add(name: string, bytes: Uint8Array): Promise<void> {
    await writeFile(path.join(this.project, name), bytes);
  }

  read(name: string): Promise<Buffer> {
    return readFile(path.join(this.project, name));
  }

  /** The names of the project's files. */
  async files(): Promise<string[]> {
    return (await readdir(this.project)).toSorted();
  }
}

/** What the daemon's resolvers say where the stub is installed. */
export function stubbed(codex: StubCodex): RenderOverrides {
  return { executable: STUB, environment: codex.env };
}

/** The same for a real CLI. */
export function installed(real: RealCodex, way: Way): RenderOverrides {
  return { executable: way.cli.shim, environment: real.env };
}

export const test = stubTest.extend<{ studio: Studio }>({
  studio: async ({ codex }, use) => {
    const studio = await Studio.open(codex.scratch, () => stubbed(codex));
    await use(studio);
    await studio.daemon.stop();
  },
});

export const testReal = realTest.extend<{ studio: Studio }>({
  studio: async ({ real }, use) => {
    const studio = await Studio.open(real.scratch, () => ({ environment: real.env }));
    await use(studio);
    await studio.daemon.stop();
  },
});
