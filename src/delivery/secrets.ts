import { KildeError } from "../core/errors.ts";
import type { Seal } from "../webhook/seal.ts";
import { parseSecret, type Secret } from "../webhook/secret.ts";
import { createSigner } from "../webhook/sign.ts";
import type { OpenSecrets } from "./request.ts";
import type { Subscription } from "./subscription.ts";

/** The seal; throws `secrets-not-kept` where there is none. */
export function sealOf(seal: Seal | null): Seal {
  if (seal !== null) return seal;
  throw new KildeError(
    "secrets-not-kept",
    "The secrets of a subscription can neither be stored nor used: there is no key to seal them with",
  );
}

/** The secrets that a subscription is signed with now, the newest first. */
export async function openSigning(
  seal: Seal | null,
  { id, secrets }: Pick<Subscription, "id" | "secrets">,
  nowMs: number,
): Promise<Secret[]> {
  const valid = secrets.signing.filter(({ until }) => until === null || until > nowMs);
  return Promise.all(valid.map(async ({ sealed }) => parseSecret(await sealOf(seal).open(sealed, id))));
}

/** All that a subscription's requests need. */
export async function openSecrets(
  seal: Seal | null,
  subscription: Pick<Subscription, "id" | "secrets">,
  nowMs: number,
): Promise<OpenSecrets> {
  const { id, secrets } = subscription;
  const headers = secrets.headers === null ? "{}" : await sealOf(seal).open(secrets.headers, id);
  return {
    sign: createSigner(await openSigning(seal, subscription, nowMs)),
    headers: JSON.parse(headers) as Record<string, string>,
  };
}
