import { KildeError } from "../../core/errors.ts";
import type { Seal } from "../signing/seal.ts";
import { generateSecret, parseSecret, publicKeyOf, type SecretKind } from "../signing/secret.ts";
import { sealOf } from "./secrets.ts";
import type { StoredSecret } from "./subscription.ts";

/** Keys for the receiver: shown when they are created, and never again. */
export interface SubscriptionCredentials {
  /** `whsec_…`; null where the receiver needs no secret. */
  readonly secret: string | null;
  /** `whpk_…`, of a secret that is not shared. */
  readonly publicKey: string | null;
}

export function credentialsOf(text: string): SubscriptionCredentials {
  const publicKey = publicKeyOf(parseSecret(text));
  return { secret: publicKey === null ? text : null, publicKey };
}

/** The requested secret, or a new one. */
export function secretFor(stated: string | null, kind: SecretKind): string {
  if (stated === null) return generateSecret(kind);
  try {
    parseSecret(stated);
  } catch (error) {
    const detail = error instanceof Error ? error.message : "is no secret";
    throw new KildeError("invalid-body", `/secret: ${detail}`, { errors: [{ pointer: "/secret", detail }] });
  }
  return stated;
}

/** Seals a secret that signs until it is replaced. */
export async function sealSecret(seal: Seal | null, text: string, id: string): Promise<StoredSecret> {
  return { sealed: await sealOf(seal).seal(text, id), until: null };
}

/** Seals the headers of a subscription's requests; null: there are none. */
export async function sealHeaders(
  seal: Seal | null,
  headers: Readonly<Record<string, string>>,
  id: string,
): Promise<string | null> {
  return Object.keys(headers).length === 0 ? null : sealOf(seal).seal(JSON.stringify(headers), id);
}
