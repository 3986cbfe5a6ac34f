import { base64OfBytes, bytesOfBase64 } from "./base64.ts";
import type { SealKey } from "./seal-keys.ts";

/** Why a sealed secret cannot be opened. */
export type SealErrorCode = "malformed" | "unknown-key" | "not-authentic";

export class SealError extends Error {
  override readonly name = "SealError";
  readonly code: SealErrorCode;

  constructor(code: SealErrorCode, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
  }
}

/**
 * Encrypts secrets at rest. `context` is a secret's owner, a subscription's id: the secret opens in no other context.
 */
export interface Seal {
  /** Returns `<key id>.<iv>.<ciphertext>`; iv and ciphertext in base64. The text differs each time. */
  seal(text: string, context: string): Promise<string>;
  /** Throws a SealError when no key sealed it for this context. */
  open(sealed: string, context: string): Promise<string>;
  /** Whether it was sealed with another key than the first, and is better sealed again. */
  isOutdated(sealed: string): boolean;
}

/** The length of AES-GCM (NIST SP 800-38D §5.2.1.1). */
const IV_BYTES = 12;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function keyIdOf(sealed: string): string {
  return sealed.slice(0, Math.max(sealed.indexOf("."), 0));
}

/** Creates a seal with AES-256-GCM. The first key seals, all of them open. Throws a TypeError without a key. */
export function createSeal(keys: readonly SealKey[]): Seal {
  const [first] = keys;
  if (first === undefined) throw new TypeError("Secrets are sealed with one key at least");
  const imported = new Map(
    keys.map(({ id, key }) => [
      id,
      crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]),
    ]),
  );
  const keyOf = async (id: string): Promise<CryptoKey> => {
    const key = await imported.get(id);
    if (key !== undefined) return key;
    throw new SealError(
      "unknown-key",
      `It was sealed with the key ${JSON.stringify(id)}, which is not among the keys. Add it after the others.`,
    );
  };
  return {
    async seal(text, context) {
      const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
      const algorithm = { name: "AES-GCM", iv, additionalData: encoder.encode(context) };
      const sealed = await crypto.subtle.encrypt(algorithm, await keyOf(first.id), encoder.encode(text));
      return `${first.id}.${base64OfBytes(iv)}.${base64OfBytes(new Uint8Array(sealed))}`;
    },
    async open(sealed, context) {
      const [id = "", ivText = "", text = "", ...rest] = sealed.split(".");
      const iv = bytesOfBase64(ivText);
      const ciphertext = bytesOfBase64(text);
      if (id === "" || iv?.length !== IV_BYTES || ciphertext === null || rest.length > 0) {
        throw new SealError("malformed", "It is not of the form <key id>.<iv>.<ciphertext>");
      }
      const key = await keyOf(id);
      const algorithm = { name: "AES-GCM", iv, additionalData: encoder.encode(context) };
      try {
        return decoder.decode(await crypto.subtle.decrypt(algorithm, key, ciphertext));
      } catch (error) {
        throw new SealError(
          "not-authentic",
          `It was not sealed with the key ${JSON.stringify(id)} of today for this context, or was changed since`,
          { cause: error },
        );
      }
    },
    isOutdated: (sealed) => keyIdOf(sealed) !== first.id,
  };
}
