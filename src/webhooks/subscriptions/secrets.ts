import { KildeError } from "../../core/errors.ts";
import { type Seal, SealError } from "../signing/seal.ts";
import { parseSecret, type Secret } from "../signing/secret.ts";
import { createSigner } from "../signing/sign.ts";
import type { OpenSecrets, Sign } from "../endpoint/request.ts";
import type { SubscriptionRecord } from "./subscription.ts";

/** The seal; throws `secrets-not-kept` without one. */
export function sealOf(seal: Seal | null): Seal {
  if (seal !== null) return seal;
  throw new KildeError(
    "secrets-not-kept",
    "The secrets of a subscription can neither be stored nor used: there is no key to seal them with",
  );
}

/** Opens a sealed secret of a subscription. Throws `secrets-not-kept` when no key opens it. */
async function openSealed(seal: Seal | null, sealed: string, id: string): Promise<string> {
  try {
    return await sealOf(seal).open(sealed, id);
  } catch (error) {
    if (!(error instanceof SealError)) throw error;
    const detail = `The secrets of ${id} cannot be opened. ${error.message}`;
    throw new KildeError("secrets-not-kept", detail, {}, { cause: error });
  }
}

interface OpenedSecret {
  readonly secret: Secret;
  /** See `StoredSecret`. */
  readonly until: number | null;
}

const isValid = ({ until }: Pick<OpenedSecret, "until">, nowMs: number) => until === null || until > nowMs;

async function openValid(
  seal: Seal | null,
  { id, secrets }: Pick<SubscriptionRecord, "id" | "secrets">,
  nowMs: number,
): Promise<OpenedSecret[]> {
  const valid = secrets.signing.filter((stored) => isValid(stored, nowMs));
  return Promise.all(
    valid.map(async ({ sealed, until }) => ({
      secret: parseSecret(await openSealed(seal, sealed, id)),
      until,
    })),
  );
}

/** The secrets that currently sign a subscription's messages, the newest first. */
export async function openSigning(
  seal: Seal | null,
  subscription: Pick<SubscriptionRecord, "id" | "secrets">,
  nowMs: number,
): Promise<Secret[]> {
  return (await openValid(seal, subscription, nowMs)).map(({ secret }) => secret);
}

/**
 * Signs with the secrets that are valid at the time of each message: the overlap of a rotation may end during a
 * dispatch.
 */
function signWhileValid(opened: readonly OpenedSecret[]): Sign {
  let endsMs = Number.NEGATIVE_INFINITY;
  let sign = createSigner(opened.map(({ secret }) => secret));
  return (message, nowMs) => {
    if (nowMs >= endsMs) {
      const valid = opened.filter((each) => isValid(each, nowMs));
      endsMs = Math.min(...valid.map(({ until }) => until ?? Number.POSITIVE_INFINITY));
      sign = createSigner(valid.map(({ secret }) => secret));
    }
    return sign(message);
  };
}

/** Opens the headers and signing secrets of a subscription's requests. */
export async function openSecrets(
  seal: Seal | null,
  subscription: Pick<SubscriptionRecord, "id" | "secrets">,
  nowMs: number,
): Promise<OpenSecrets> {
  const { id, secrets } = subscription;
  const headers = secrets.headers === null ? "{}" : await openSealed(seal, secrets.headers, id);
  return {
    sign: signWhileValid(await openValid(seal, subscription, nowMs)),
    headers: JSON.parse(headers) as Record<string, string>,
  };
}

/** Whether the configured keys open the secrets of a subscription. */
export async function canSign(
  seal: Seal | null,
  subscription: Pick<SubscriptionRecord, "id" | "secrets">,
  nowMs: number,
): Promise<boolean> {
  try {
    await openSecrets(seal, subscription, nowMs);
    return true;
  } catch (error) {
    if (error instanceof KildeError) return false;
    throw error;
  }
}
