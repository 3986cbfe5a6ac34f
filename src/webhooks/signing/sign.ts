import { createHmac, createSecretKey, sign } from "node:crypto";

import type { Secret } from "./secret.ts";

/** The signed parts of a request (Standard Webhooks 1.0.0). */
export interface SignedMessage {
  /** `webhook-id`: the same for each attempt at a delivery. Without dots, which separate the signed parts. */
  readonly id: string;
  /** `webhook-timestamp`: of this attempt, in Unix seconds. */
  readonly timestamp: number;
  /** The body as it is sent, as UTF-8. */
  readonly body: string;
}

/** Computes the value of `webhook-signature`. */
export type Signer = (message: SignedMessage) => string;

function signerOf(secret: Secret): (content: string) => string {
  if (secret.kind === "symmetric") {
    // The key is prepared once, and not for each signature.
    const key = createSecretKey(secret.key);
    return (content) => `v1,${createHmac("sha256", key).update(content).digest("base64")}`;
  }
  const { privateKey } = secret;
  return (content) => `v1a,${sign(null, Buffer.from(content), privateKey).toString("base64")}`;
}

/**
 * Creates a signer for each of the secrets: `v1,…` for a shared one, `v1a,…` for ed25519, separated by spaces, so that
 * a receiver verifies with the old or the new secret during a rotation. Throws a TypeError without a secret.
 *
 * Synchronous, without WebCrypto, whose promise costs more than the signature of a body of some kilobytes.
 */
export function createSigner(secrets: readonly Secret[]): Signer {
  if (secrets.length === 0) throw new TypeError("A webhook is signed with one secret at least");
  const signers = secrets.map(signerOf);
  return ({ id, timestamp, body }) => {
    if (id.includes(".")) throw new TypeError("The id of a delivery must not contain a dot");
    const content = `${id}.${timestamp}.${body}`;
    return signers.map((entry) => entry(content)).join(" ");
  };
}
