// X.509 certificates for the backend, written as DER: Node makes keys and signatures, but no
// certificates.

import {
  generateKeyPairSync,
  type KeyObject,
  type KeyPairKeyObjectResult,
  randomBytes,
  sign,
} from 'node:crypto';

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
export function makeCertificate(): Certificate {
  const issuer = { name: 'Loopback test authority', keys: ellipticKeys() };
  const server = { name: '127.0.0.1', keys: ellipticKeys() };
  return {
    ca: certify(issuer, issuer, [
      extension(OID.basicConstraints, sequence(TRUE), true),
      extension(OID.keyUsage, usage(KEY_CERT_SIGN), true),
    ]),
    cert: certify(server, issuer, [
      extension(OID.basicConstraints, sequence(), true),
      extension(OID.keyUsage, usage(DIGITAL_SIGNATURE), true),
      extension(OID.extKeyUsage, sequence(OID.serverAuth)),
      extension(OID.subjectAltName, sequence(der(IP_ADDRESS, Buffer.from([127, 0, 0, 1])))),
    ]),
    key: server.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

interface Party {
  name: string;
  keys: KeyPairKeyObjectResult;
}

function ellipticKeys(): KeyPairKeyObjectResult {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** PEM of a certificate (RFC 5280), valid from an hour ago for a year. */
function certify(subject: Party, issuer: Party, extensions: Buffer[]): string {
  const now = Date.now();
  const body = sequence(
    der(CONTEXT_0, integer(Buffer.from([2]))), // Version 3.
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    sequence(OID.ecdsaWithSha256),
    nameOf(issuer),
    sequence(utcTime(now - HOUR_MS), utcTime(now + 365 * 24 * HOUR_MS)),
    nameOf(subject),
    publicKeyOf(subject.keys.publicKey),
    der(CONTEXT_3, sequence(...extensions)),
  );
  const signature = bitString(sign('sha256', body, issuer.keys.privateKey));
  const whole = sequence(body, sequence(OID.ecdsaWithSha256), signature);
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

const HOUR_MS = 60 * 60 * 1000;

function nameOf({ name }: Party): Buffer {
  return sequence(der(SET, sequence(OID.commonName, der(UTF8_STRING, Buffer.from(name)))));
}

function publicKeyOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function extension(id: Buffer, value: Buffer, critical = false): Buffer {
  return sequence(id, ...(critical ? [TRUE] : []), der(OCTET_STRING, value));
}

/** The bits are numbered from the left. */
function usage(bit: number): Buffer {
  return der(BIT_STRING, Buffer.from([7 - bit, 0x80 >> bit]));
}

const DIGITAL_SIGNATURE = 0;
const KEY_CERT_SIGN = 5;

// DER tags.
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const SEQUENCE = 0x30;
const SET = 0x31;
const CONTEXT_0 = 0xa0;
const CONTEXT_3 = 0xa3;
const IP_ADDRESS = 0x87;

const TRUE = Buffer.from('0101ff', 'hex');

const OID = {
  basicConstraints: Buffer.from('0603551d13', 'hex'),
  keyUsage: Buffer.from('0603551d0f', 'hex'),
  extKeyUsage: Buffer.from('0603551d25', 'hex'),
  subjectAltName: Buffer.from('0603551d11', 'hex'),
  commonName: Buffer.from('0603550403', 'hex'),
  serverAuth: Buffer.from('06082b06010505070301', 'hex'),
  ecdsaWithSha256: Buffer.from('06082a8648ce3d040302', 'hex'),
};

function sequence(...members: Buffer[]): Buffer {
  return der(SEQUENCE, Buffer.concat(members));
}

/** Not negative: the first byte is below 0x80. */
function integer(bytes: Buffer): Buffer {
  return der(INTEGER, bytes);
}

function bitString(bytes: Buffer): Buffer {
  return der(BIT_STRING, Buffer.concat([Buffer.from([0]), bytes]));
}

function utcTime(at: number): Buffer {
  const digits = new Date(at).toISOString().replaceAll(/\D/g, '').slice(2, 14);
  return der(UTC_TIME, Buffer.from(`${digits}Z`));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
