import { type Argon2Parameters, argon2, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { TouchlineError } from '#contracts/errors.ts';

/** OWASP's smallest recommendation for Argon2id (Password Storage Cheat Sheet): a camera node has little memory to spare. */
const MEMORY_KIB = 19_456;
const PASSES = 2;
const LANES = 1;
const SALT_BYTES = 16;
const TAG_BYTES = 32;
const PIN_DIGITS = 8;

const derive = promisify(argon2) as (algorithm: 'argon2id', parameters: Argon2Parameters) => Promise<Buffer>;

/** A new PIN: eight digits, each as likely as any other. */
export function newPin(): string {
  return String(randomInt(10 ** PIN_DIGITS)).padStart(PIN_DIGITS, '0');
}

/** A new secret that the nodes of a rig share. */
export function newRigKey(): string {
  return randomBytes(32).toString('base64url');
}

/** Letters and digits that nobody takes for another when he types them into a phone. */
const TYPED = 'abcdefghjkmnpqrstuvwxyz23456789';
const NETWORK_KEY_GROUPS = 4;
const GROUP_LENGTH = 4;

/** A new key of the rig's own Wi-Fi: four groups of four, 79 bits. */
export function newNetworkKey(): string {
  const letter = (): string => TYPED[randomInt(TYPED.length)] ?? '';
  const group = (): string => Array.from({ length: GROUP_LENGTH }, letter).join('');
  return Array.from({ length: NETWORK_KEY_GROUPS }, group).join('-');
}

/** Argon2id (RFC 9106) as a PHC string, which is what stands in the configuration. */
export async function hashPin(pin: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const tag = await derive('argon2id', {
    message: pin,
    nonce: salt,
    memory: MEMORY_KIB,
    passes: PASSES,
    parallelism: LANES,
    tagLength: TAG_BYTES,
  });
  return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${base64(salt)}$${base64(tag)}`;
}

/** Whether a PIN is the one of a hash. Throws `configuration_invalid` for what is not such a hash. */
export async function isPin(pin: string, hash: string): Promise<boolean> {
  const parts = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(hash);
  if (!parts) throw new TouchlineError('configuration_invalid', 'a PIN hash is not an Argon2id hash');
  const [, memory, passes, lanes, salt = '', tag = ''] = parts;
  const expected = Buffer.from(tag, 'base64');
  const found = await derive('argon2id', {
    message: pin,
    nonce: Buffer.from(salt, 'base64'),
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(lanes),
    tagLength: expected.length,
  });
  return timingSafeEqual(found, expected);
}

/** Base64 without padding, as PHC strings have it. */
function base64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
