import { generate } from 'selfsigned';

export interface Certificate {
  /** PEM of the authority, for the client to trust. */
  ca: string;
  cert: string;
  key: string;
}

/**
 * A certificate for 127.0.0.1 from an authority that exists only for it. Two certificates, because
 * the CLI's TLS library refuses an authority's certificate as a server's.
 */
export async function makeCertificate(): Promise<Certificate> {
  const common = { keyType: 'ec', algorithm: 'sha256' } as const;
  const authority = await generate([{ name: 'commonName', value: 'Loopback test authority' }], {
    ...common,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  });
  const server = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
    ...common,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  });
  return { ca: authority.cert, cert: server.cert, key: server.private };
}
