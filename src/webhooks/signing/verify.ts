import { bytesOfBase64 } from "./base64.ts";
import { ED25519_BYTES, readSecretText } from "./secret-text.ts";
import { WebhookError } from "../receive/webhook-error.ts";

/** The signed headers of a delivery. */
export interface SignedHeaders {
  readonly id: string;
  readonly timestamp: string;
  readonly signatures: string;
}

/** Most signatures that are checked: a sender has one or two secrets, and an attacker could send thousands. */
const MOST_SIGNATURES = 16;

const encoder = new TextEncoder();

type Verify = (signature: Uint8Array<ArrayBuffer>, content: Uint8Array<ArrayBuffer>) => Promise<boolean>;

interface Verifier {
  /** The version of the signatures that it verifies. */
  readonly version: "v1" | "v1a";
  readonly verify: Verify;
}

async function verifierOf(secret: string): Promise<Verifier> {
  const { form, bytes } = readSecretText(secret);
  const { subtle } = crypto;
  if (form === "symmetric") {
    const key = await subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    return { version: "v1", verify: (signature, content) => subtle.verify("HMAC", key, signature, content) };
  }
  const publicKey = bytes.slice(-ED25519_BYTES);
  const key = await subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
  return {
    version: "v1a",
    verify: (signature, content) => subtle.verify("Ed25519", key, signature, content),
  };
}

function signedContent({ id, timestamp }: SignedHeaders, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const prefix = encoder.encode(`${id}.${timestamp}.`);
  const content = new Uint8Array(prefix.length + body.length);
  content.set(prefix);
  content.set(body, prefix.length);
  return content;
}

/**
 * Verifies that one of the secrets made one of the signatures (Standard Webhooks 1.0.0). WebCrypto compares in constant
 * time. Throws a WebhookError `signature-invalid`, or a TypeError for an invalid secret.
 */
export async function verifySignature(
  secrets: readonly string[],
  headers: SignedHeaders,
  body: Uint8Array,
): Promise<void> {
  if (secrets.length === 0) throw new TypeError("A webhook is verified with one secret at least");
  const verifiers = await Promise.all(secrets.map(verifierOf));
  const content = signedContent(headers, body);
  for (const entry of headers.signatures.split(" ", MOST_SIGNATURES)) {
    const comma = entry.indexOf(",");
    const signature = comma === -1 ? null : bytesOfBase64(entry.slice(comma + 1));
    // A signature of a later version is ignored.
    if (signature === null) continue;
    for (const { version, verify } of verifiers) {
      if (version === entry.slice(0, comma) && (await verify(signature, content))) return;
    }
  }
  throw new WebhookError(
    "signature-invalid",
    "None of the signatures was made with a secret that this endpoint has. Was the secret rotated?",
  );
}
