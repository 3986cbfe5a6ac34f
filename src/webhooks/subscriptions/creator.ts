import { grantText } from "../../access/grant.ts";
import type { Principal } from "../../access/principal.ts";

/**
 * The principal on whose behalf a subscription delivers. The keys of its name decide what it may read. A sender without a
 * key has the grants that it had then, until someone else takes the subscription over.
 */
export type SubscriptionCreator =
  | { readonly kind: "key"; readonly name: string }
  | { readonly kind: "jwt" | "session"; readonly name: string; readonly grants: readonly string[] };

/** Returns a sender as the creator of a subscription; null: the store is open, or the embedding program is the sender. */
export function creatorOf({ kind, name, credential, grants }: Principal): SubscriptionCreator | null {
  if (name === null) return null;
  if (credential !== null) return { kind: "key", name };
  return { kind: kind === "jwt" ? "jwt" : "session", name, grants: grants.map(grantText) };
}
