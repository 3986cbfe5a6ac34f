import type { Access } from "../../access/access.ts";
import type { Principal } from "../../access/principal.ts";
import type { KildeError } from "../../core/errors.ts";
import { invalidCredentials } from "./authentication.ts";
import { missingCredentials } from "./authorization.ts";

/** The error for a sender whose access has ended: the one that its next request is answered with. */
export function endedAccess({ kind }: Principal): KildeError {
  return kind === "anybody" ? missingCredentials() : invalidCredentials();
}

/**
 * Throws `unauthenticated` if the access of a sender has ended since its request began: a body may take a minute to
 * arrive, and a sender that is revoked meanwhile must not change anything. Returns null if that is known at once.
 */
export function requireAccessNow(
  access: Pick<Access, "refreshed" | "isValid">,
  sender: Principal,
): Promise<void> | null {
  // Others have no credential that could end, and cost no query.
  if (sender.kind === "trusted" || sender.kind === "anonymous") return null;
  const check = () => {
    if (!access.isValid(sender)) throw endedAccess(sender);
  };
  const reading = access.refreshed();
  if (reading !== null) return reading.then(check);
  check();
  return null;
}

/**
 * Calls back when the credential of a request that lasts is revoked, expires or gets other grants. Senders without a
 * credential are not watched. Returns a function that stops watching. Throws `unauthenticated` if access has ended already.
 */
export function onAccessEnd(
  access: Pick<Access, "watch">,
  sender: Principal,
  ended: (error: KildeError) => void,
): () => void {
  if (sender.kind === "anybody" || sender.kind === "trusted" || sender.kind === "anonymous") return () => {};
  const watched = access.watch(sender);
  if (watched.ended.aborted) throw endedAccess(sender);
  const end = () => ended(endedAccess(sender));
  watched.ended.addEventListener("abort", end);
  return () => {
    watched.ended.removeEventListener("abort", end);
    watched.release();
  };
}
