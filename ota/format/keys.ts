import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';

/** Ed25519 (RFC 8032): one curve, keys of 32 bytes, signatures that are the same each time. */

const LINE = /^ed25519:([A-Za-z0-9_-]{43})$/;

/** A pair to sign releases with. `privatePem`: PKCS #8; `publicLine`: for the configuration of the nodes. */
export function newReleaseKey(): { privatePem: string; publicLine: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privatePem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicLine: publicLineOf(publicKey),
  };
}

/** Throws `invalid_field` when the text is no Ed25519 private key. `where` names it. */
export function readPrivateKey(pem: string, where: string): KeyObject {
  const key = attempt(() => createPrivateKey(pem));
  if (key?.asymmetricKeyType !== 'ed25519')
    throw new TouchlineError('invalid_field', `${where} is not an Ed25519 private key`, {
      field: where,
      remedy: 'Make one with `./touchline release keygen FILE`.',
    });
  return key;
}

/** One public key: a line `ed25519:…`, or PEM. Throws `configuration_invalid`, naming `where`. */
export function readPublicKey(text: string, where: string): KeyObject {
  const [, x] = LINE.exec(text.trim()) ?? [];
  const key = attempt(() =>
    x === undefined
      ? createPublicKey(text)
      : createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
  );
  if (key?.asymmetricKeyType !== 'ed25519')
    throw new TouchlineError(
      'configuration_invalid',
      `${where}: must be a line ed25519:… or an Ed25519 public key`,
      {
        field: where,
        remedy: '`./touchline release keygen` prints the line when it makes a key.',
      },
    );
  return key;
}

/** `ed25519:` and the 32 bytes of the public key in base64url. Takes a private key, too. */
export function publicLineOf(key: KeyObject): string {
  return `ed25519:${publicPart(key).export({ format: 'jwk' }).x}`;
}

/** Short name of a key: the first 16 hex digits of the SHA-256 of its public part (SubjectPublicKeyInfo, DER). */
export function keyId(key: KeyObject): string {
  const der = publicPart(key).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex').slice(0, 16);
}

function publicPart(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key;
}

/** What the library throws names its own internals; the caller says what was wanted. */
function attempt(read: () => KeyObject): KeyObject | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
