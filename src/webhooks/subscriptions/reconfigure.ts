import { type Actor, authorship } from "../../administration/actor.ts";
import { entry, recordEntries } from "../../administration/entry.ts";
import { type ChangeEffect, changeSubscription } from "./change.ts";
import { changedMembers, effectOf, redirects, requireOwnHeaders } from "./configuration-change.ts";
import type { SubscriptionCreator } from "./creator.ts";
import {
  credentialsOf,
  sealHeaders,
  sealSecret,
  secretFor,
  type SubscriptionCredentials,
} from "./credentials.ts";
import { subscriptionPath } from "./delivered-filter.ts";
import { getSubscription, type RegistryDeps } from "./registry-deps.ts";
import { allowedRate, type RequestedConfig } from "./requested-config.ts";
import { openSigning } from "./secrets.ts";
import type { SubscriptionRecord } from "./subscription.ts";

/* Changes the configuration and the secrets of stored subscriptions. */

/** How long the old secret signs beside the new one, in seconds. */
export const OVERLAP_SECONDS = 24 * 3_600;

/** A requested change. `configFor` maps the current configuration to the requested one; `headers: null` keeps them. */
export interface RequestedChange {
  readonly configFor: (found: SubscriptionRecord) => RequestedConfig;
  readonly headers: Readonly<Record<string, string>> | null;
  /** The author of the change. */
  readonly creator: SubscriptionCreator | null;
}

/** A replacement of the signing secret. `secret` null: Kilde generates one. */
export interface SecretRotation {
  readonly secret: string | null;
  /** How long the old secret signs beside the new one. */
  readonly overlapSeconds: number;
}

type Changed = Pick<SubscriptionRecord, "config" | "secrets" | "creator"> & {
  readonly effect: ChangeEffect;
  /** Names of the changed members. */
  readonly changed: readonly string[];
};

/** Changes a stored subscription, and computes the change again after a concurrent one. */
async function update(
  { database, writer, clock, onChange }: RegistryDeps,
  id: string,
  actor: Actor,
  change: (found: SubscriptionRecord) => Changed | Promise<Changed>,
): Promise<void> {
  for (;;) {
    const found = await getSubscription(database, id);
    const { changed, effect, ...stored } = await change(found);
    const made = entry(subscriptionPath(id), "kilde.subscription.changed", {
      ...authorship(actor),
      changed: [...changed],
    });
    const now = new Date(clock.now()).toISOString();
    const recorded = changed.length === 0 ? [] : recordEntries([made], now, "changed");
    if (await changeSubscription(writer, found, stored, effect, recorded)) break;
  }
  onChange(id);
}

export async function changeConfig(
  deps: RegistryDeps,
  id: string,
  { configFor, headers, creator: author }: RequestedChange,
  actor: Actor,
): Promise<SubscriptionRecord> {
  const sealed = headers === null ? null : await sealHeaders(deps.seal, headers, id);
  await update(deps, id, actor, async (found) => {
    const { config: before, secrets, creator } = found;
    const config = configFor(found);
    requireOwnHeaders(before, config, headers !== null);
    // An endpoint consents to a URL and an origin.
    const isSame = before.url === config.url && before.consentedOrigin === config.consentedOrigin;
    const ratePerMinute = isSame ? before.ratePerMinute : await allowedRate(deps.send, config);
    const headerNames = headers === null ? before.headerNames : Object.keys(headers);
    return {
      effect: effectOf(before, config, headers !== null),
      changed: changedMembers(before, config, headers !== null),
      config: { ...config, ratePerMinute, headerNames },
      secrets: headers === null ? secrets : { ...secrets, headers: sealed },
      creator: redirects(before, config, headers !== null) ? author : creator,
    };
  });
  return getSubscription(deps.database, id);
}

export async function rotateSecret(
  deps: RegistryDeps,
  id: string,
  { secret, overlapSeconds }: SecretRotation,
  actor: Actor,
): Promise<SubscriptionCredentials> {
  const { clock, seal } = deps;
  const found = await getSubscription(deps.database, id);
  // A requested secret replaces one that can no longer be opened.
  const [current] = secret === null ? await openSigning(seal, found, clock.now()) : [];
  const text = secretFor(secret, current?.kind ?? "symmetric");
  const stored = await sealSecret(seal, text, id);
  await update(deps, id, actor, ({ config, secrets, creator }) => {
    const until = clock.now() + overlapSeconds * 1_000;
    const kept = secrets.signing
      .map((old) => ({ ...old, until: Math.min(old.until ?? until, until) }))
      .filter((old) => old.until > clock.now());
    return {
      effect: "none",
      changed: ["secret"],
      config,
      secrets: { ...secrets, signing: [stored, ...kept] },
      creator,
    };
  });
  return credentialsOf(text);
}
