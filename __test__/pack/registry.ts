// An npm registry on the loopback interface, with the packages published to it.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** The members of a package.json that are used here. */
export interface Manifest {
  name: string;
  version: string;
  engines?: Record<string, string>;
  repository?: { url: string };
  homepage?: string;
  bugs?: { url: string };
  os?: string[];
  cpu?: string[];
  libc?: string[];
  scripts?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

export interface Published {
  manifest: Manifest;
  tarball: Buffer;
}

/** The request of `npm publish`. */
interface Publication {
  name: string;
  'dist-tags': Record<string, string>;
  versions: Record<string, Manifest & { dist: { tarball: string } }>;
  _attachments: Record<string, { data: string }>;
}

export class Registry {
  /** By name, in the order of publication. */
  readonly packages = new Map<string, Published>();
  readonly #documents = new Map<string, Omit<Publication, '_attachments'>>();
  readonly #server = createServer((request, response) => {
    this.#answer(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });

  static async start(): Promise<Registry> {
    const registry = new Registry();
    await new Promise<void>((resolve) => {
      registry.#server.listen(0, '127.0.0.1', resolve);
    });
    return registry;
  }

  get origin(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => {
      this.#server.close(resolve);
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(new URL(request.url ?? '/', this.origin).pathname).slice(1);
    if (request.method === 'PUT') {
      this.#publish((await json(request)) as Publication);
      response.writeHead(201).end('{}');
      return;
    }
    const [name = '', file] = path.split('/-/');
    const document = this.#documents.get(name);
    if (document === undefined) response.writeHead(404).end('{}');
    else if (file === undefined) response.end(JSON.stringify(document));
    else response.end(this.packages.get(name)?.tarball);
  }

  #publish({ _attachments, ...document }: Publication): void {
    const [version] = Object.values(document.versions);
    const [attachment] = Object.values(_attachments);
    if (version === undefined || attachment === undefined) throw new Error('nothing to publish');
    const { name } = document;
    version.dist.tarball = `${this.origin}/${name}/-/${version.version}.tgz`;
    this.#documents.set(name, document);
    const tarball = Buffer.from(attachment.data, 'base64');
    this.packages.set(name, { manifest: version, tarball });
  }
}
