import { type KeyObject, sign, verify } from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';
import { keyId } from './keys.ts';

/** `ed25519 KEY-ID SIGNATURE`, one line for each key, so that keys can be changed without leaving a node behind. */
const LINE = /^ed25519 ([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)$/;

/** The text of `SHA256SUMS.sig`: a line for each private key. */
export function signatureText(checksums: string, keys: readonly KeyObject[]): string {
  return keys
    .map((key) => `ed25519 ${keyId(key)} ${sign(null, Buffer.from(checksums), key).toString('base64')}\n`)
    .join('');
}

/** Returns the id of the trusted key whose signature is right. Throws `signature_wrong`. */
export function verifySignature(
  checksums: string,
  signatures: string,
  trusted: readonly KeyObject[],
): string {
  const signedBy: string[] = [];
  for (const line of signatures.split('\n')) {
    const [, id, signature] = LINE.exec(line) ?? [];
    if (id === undefined || signature === undefined) continue;
    signedBy.push(id);
    const key = trusted.find((each) => keyId(each) === id);
    if (key !== undefined && verify(null, Buffer.from(checksums), key, Buffer.from(signature, 'base64')))
      return id;
  }
  const known = trusted.map(keyId);
  const why = signedBy.some((id) => known.includes(id))
    ? 'its checksums were changed after they were signed'
    : signedBy.length === 0
      ? 'it is not signed'
      : `it is signed by ${signedBy.join(', ')}`;
  throw new TouchlineError(
    'signature_wrong',
    `the release is not trusted: ${why}; trusted: ${known.join(', ')}`,
    {
      details: { signed_by: signedBy, trusted: known },
    },
  );
}
