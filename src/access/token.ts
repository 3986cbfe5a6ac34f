import { crc32Hex } from "./crc32.ts";

/*
 * The token of an API key: `kilde_<id>_<secret>_<checksum>`. The id is 12 lower-case letters and digits, the secret 32
 * random bytes in base64url, the checksum the CRC-32 of everything before it. The checksum rejects garbage without the
 * database, and lets scanners find leaked tokens; it proves nothing.
 */

/** Prefix of every token. */
export const TOKEN_PREFIX = "kilde_";

const FORM = /^(kilde_([a-z0-9]{12})_[A-Za-z0-9_-]{43})_([0-9a-f]{8})$/;

const ID_LENGTH = 12;
const ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";
const SECRET_BYTES = 32;

/** A token that was made just now; only its digest is stored. */
export interface NewToken {
  readonly id: string;
  readonly token: string;
}

/** Fills an array with random bytes; `crypto.getRandomValues` outside of tests. */
export type RandomBytes = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;

const secureRandomBytes: RandomBytes = (bytes) => crypto.getRandomValues(bytes);

function newId(random: RandomBytes): string {
  let id = "";
  // Larger bytes would make the first letters more likely.
  const end = 256 - (256 % ID_LETTERS.length);
  while (id.length < ID_LENGTH) {
    for (const byte of random(new Uint8Array(ID_LENGTH)))
      if (byte < end && id.length < ID_LENGTH) id += ID_LETTERS.charAt(byte % ID_LETTERS.length);
  }
  return id;
}

function base64Url(bytes: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function newToken(random: RandomBytes = secureRandomBytes): NewToken {
  const id = newId(random);
  const text = `${TOKEN_PREFIX}${id}_${base64Url(random(new Uint8Array(SECRET_BYTES)))}`;
  return { id, token: `${text}_${crc32Hex(text)}` };
}

/** Returns the id in a token whose form and checksum are right; null for any other text. */
export function tokenId(token: string): string | null {
  const [, text, id, checksum] = FORM.exec(token) ?? [];
  return text !== undefined && id !== undefined && crc32Hex(text) === checksum ? id : null;
}

/** Compares texts of the same length in a time that does not depend on where they differ. */
export function isSameText(one: string, other: string): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let index = 0; index < one.length; index += 1)
    difference |= one.charCodeAt(index) ^ other.charCodeAt(index);
  return difference === 0;
}
