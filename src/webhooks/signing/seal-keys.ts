import { bytesOfBase64 } from "./base64.ts";

/** A key that seals secrets. */
export interface SealKey {
  /** Prefix of everything it sealed: 1 to 32 letters, digits, `_` or `-`. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array<ArrayBuffer>;
}

const KEY_BYTES = 32;
const ID = /^[A-Za-z0-9_-]{1,32}$/;

function sealKey(entry: string, index: number): SealKey {
  const colon = entry.indexOf(":");
  const id = entry.slice(0, Math.max(colon, 0));
  if (!ID.test(id)) {
    throw new TypeError(
      `Key ${index + 1} must be <id>:<base64>, the id of 1 to 32 letters, digits, "_" or "-"`,
    );
  }
  const key = bytesOfBase64(entry.slice(colon + 1));
  if (key === null) throw new TypeError(`The key ${id} must be base64, with its padding`);
  if (key.length !== KEY_BYTES) {
    throw new TypeError(`The key ${id} must be ${KEY_BYTES} bytes in base64, and is ${key.length}`);
  }
  return { id, key };
}

/**
 * Parses `k2:<base64 of 32 bytes>,k1:<base64 of 32 bytes>`: the first key seals, all of them open. Throws a TypeError
 * that describes the invalid key without its value.
 */
export function parseKeys(text: string): readonly SealKey[] {
  const keys = text.split(",").map((entry, index) => sealKey(entry.trim(), index));
  const repeated = keys.find(({ id }, index) => keys.findIndex((other) => other.id === id) !== index);
  if (repeated !== undefined) throw new TypeError(`There are two keys ${repeated.id}`);
  return keys;
}
