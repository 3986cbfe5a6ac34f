import type { Grant } from "./grant.ts";

/**
 * How a sender is known. `anybody`: the store is open. `trusted`: the program that embeds the store. `anonymous`: a
 * sender without credentials at a store that is not open.
 */
export type PrincipalKind = "anybody" | "trusted" | "anonymous" | "key" | "jwt" | "session";

/** The sender of a request, with everything that it may do. */
export interface Principal {
  readonly kind: PrincipalKind;
  /** Null: the sender has none. A key and its successors have the same name. */
  readonly name: string | null;
  readonly grants: readonly Grant[];
  /** The consumer that the sender reads and commits as; null: none. */
  readonly consumer: string | null;
  /** Id of the key, null without one. */
  readonly credential: string | null;
  /** When the credential expires, in milliseconds since 1970; null: never. */
  readonly expires: number | null;
}

const EVERYTHING: readonly Grant[] = [{ verb: "admin" }];

function nameless(kind: PrincipalKind, grants: readonly Grant[]): Principal {
  return { kind, name: null, grants, consumer: null, credential: null, expires: null };
}

/** Whether a sender is admitted without a credential, and so has no name and no limits. */
export function isAdmittedFreely({ kind }: Principal): boolean {
  return kind === "anybody" || kind === "trusted";
}

/** Any sender at an open store. */
export const ANYBODY: Principal = nameless("anybody", EVERYTHING);

/** The program that embeds the store. */
export const TRUSTED: Principal = nameless("trusted", EVERYTHING);

/** A sender without credentials at a store that is not open. */
export const ANONYMOUS: Principal = nameless("anonymous", []);
