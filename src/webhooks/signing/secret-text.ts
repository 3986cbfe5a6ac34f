import { bytesOfBase64 } from "./base64.ts";

/** Prefixes of the secrets of Standard Webhooks 1.0.0: shared, private (ed25519) and public (ed25519). */
export const PREFIX = { symmetric: "whsec_", private: "whsk_", public: "whpk_" } as const;

export type SecretForm = keyof typeof PREFIX;

/** Bytes of a shared secret. */
export const LEAST_SYMMETRIC_BYTES = 24;
export const MOST_SYMMETRIC_BYTES = 64;

/** Bytes of an ed25519 seed, and of a public key; a private key is the seed followed by the public key. */
export const ED25519_BYTES = 32;

const LENGTHS: Readonly<Record<SecretForm, readonly [least: number, most: number]>> = {
  symmetric: [LEAST_SYMMETRIC_BYTES, MOST_SYMMETRIC_BYTES],
  private: [2 * ED25519_BYTES, 2 * ED25519_BYTES],
  public: [ED25519_BYTES, ED25519_BYTES],
};

const FORMS = Object.keys(PREFIX) as SecretForm[];

/**
 * Parses the text of a secret. Throws a TypeError that describes the fault, and never contains any of the secret:
 * messages end up in logs.
 */
export function readSecretText(
  text: string,
  forms: readonly SecretForm[] = FORMS,
): { readonly form: SecretForm; readonly bytes: Uint8Array<ArrayBuffer> } {
  const form = forms.find((candidate) => text.startsWith(PREFIX[candidate]));
  if (form === undefined) {
    throw new TypeError(`A secret begins with ${forms.map((each) => PREFIX[each]).join(" or ")}`);
  }
  const bytes = bytesOfBase64(text.slice(PREFIX[form].length));
  if (bytes === null) throw new TypeError(`The part after ${PREFIX[form]} must be base64, with its padding`);
  const [least, most] = LENGTHS[form];
  if (bytes.length < least || bytes.length > most) {
    const count = least === most ? String(least) : `${least} to ${most}`;
    throw new TypeError(
      `A ${PREFIX[form]} secret is ${count} bytes in base64, and this one is ${bytes.length}`,
    );
  }
  return { form, bytes };
}
