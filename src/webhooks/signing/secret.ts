import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

import { base64OfBytes } from "./base64.ts";
import { ED25519_BYTES, PREFIX, readSecretText } from "./secret-text.ts";

export type SecretKind = "symmetric" | "ed25519";

/** A secret for signing webhooks, its keys ready for use. */
export type Secret =
  | { readonly kind: "symmetric"; readonly key: Uint8Array }
  | { readonly kind: "ed25519"; readonly privateKey: KeyObject; readonly publicKey: Uint8Array };

/** Bytes of a new shared secret: the length of the hash. */
const SYMMETRIC_BYTES = 32;

/** All of an ed25519 private key in PKCS #8 (RFC 8410 §7) except its seed, which follows. */
const PKCS8_ED25519 = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
]);

interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

function keyPairOf(seed: Uint8Array): KeyPair {
  const key = Buffer.concat([PKCS8_ED25519, seed]);
  const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  // The key is at the end (RFC 8410 §4).
  return { privateKey, publicKey: Uint8Array.from(spki.subarray(-ED25519_BYTES)) };
}

/** Generates a secret: `whsec_…` to share with the receiver, or `whsk_…`, whose public key the receiver gets. */
export function generateSecret(kind: SecretKind): string {
  if (kind === "symmetric") {
    return PREFIX.symmetric + base64OfBytes(crypto.getRandomValues(new Uint8Array(SYMMETRIC_BYTES)));
  }
  const seed = crypto.getRandomValues(new Uint8Array(ED25519_BYTES));
  return PREFIX.private + base64OfBytes(Uint8Array.from([...seed, ...keyPairOf(seed).publicKey]));
}

/**
 * Parses a secret for signing: `whsec_` and 24 to 64 bytes in base64, or `whsk_` and an ed25519 seed with its public
 * key. Throws a TypeError that describes the fault, without the secret.
 */
export function parseSecret(text: string): Secret {
  const { form, bytes } = readSecretText(text, ["symmetric", "private"]);
  if (form === "symmetric") return { kind: "symmetric", key: bytes };
  const { privateKey, publicKey } = keyPairOf(bytes.subarray(0, ED25519_BYTES));
  // With halves that do not match, every message would be signed and none would verify.
  if (!publicKey.every((byte, index) => byte === bytes[ED25519_BYTES + index])) {
    throw new TypeError("The two halves of this whsk_ secret, private and public, do not belong together");
  }
  return { kind: "ed25519", privateKey, publicKey };
}

/** The key with which a receiver verifies an ed25519 signature: `whpk_…`; null for a shared secret. */
export function publicKeyOf(secret: Secret): string | null {
  return secret.kind === "ed25519" ? PREFIX.public + base64OfBytes(secret.publicKey) : null;
}
