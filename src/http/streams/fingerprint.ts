import { type Digest, webDigest } from "../../access/digest.ts";
import type { AppendPart } from "../../log/append/plan.ts";

/** Longer texts are digested by WebCrypto, which runtimes run outside of the thread that answers requests. */
const MOST_CHARACTERS_AT_ONCE = 64 * 1024;

function nibble(code: number): number {
  return code < 58 ? code - 48 : code - 87;
}

/** Returns the base64 text of bytes in hexadecimal digits. */
function base64Of(hex: string): string {
  let bytes = "";
  for (let index = 0; index < hex.length; index += 2)
    bytes += String.fromCharCode(16 * nibble(hex.charCodeAt(index)) + nibble(hex.charCodeAt(index + 1)));
  return btoa(bytes);
}

/**
 * Returns the digest of a request that used an idempotency key, at once where the runtime can. It is stored with the key,
 * so other versions of Kilde must compute the same.
 */
export function fingerprintOf(parts: readonly AppendPart[], digest: Digest): string | Promise<string> {
  const text = JSON.stringify(parts);
  const digested = text.length > MOST_CHARACTERS_AT_ONCE ? webDigest(text) : digest(text);
  return typeof digested === "string" ? base64Of(digested) : digested.then(base64Of);
}
