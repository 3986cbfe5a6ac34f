import type { ConsumerDeps } from "./deps.ts";
import type { ConsumerEvent } from "./types.ts";

/**
 * Which history the feed holds now, and up to where it holds the former ones: a restore of the server gives the feed
 * another identity, and positions then mean other events.
 */
export interface History {
  /** Identity of the feed when it was last looked up; null before, and for a server that gives none. */
  readonly current: string | null;
  /**
   * Whether the feed still holds the event that had this position under an identity. Null: look the identity up first.
   * Without an identity the answer is unknown, and true is assumed.
   */
  holds(identity: string | null, position: number): boolean | null;
  /** Position up to which the feed holds what it held under an identity. Throws an Error if it was not looked up. */
  parted(identity: string): number;
  /** Looks up an identity. */
  learn(identity: string): Promise<void>;
  /** Takes note of the identity that the feed has now, as the server just stated it. */
  note(identity: string): void;
}

export function createHistory({ client, log }: Pick<ConsumerDeps<unknown>, "client" | "log">): History {
  let current: string | null = null;
  /** Of identities other than the current one. */
  const partings = new Map<string, number>();
  const note = (identity: string) => {
    if (identity !== current) partings.clear();
    current = identity;
  };
  return {
    note,
    get current() {
      return current;
    },
    holds(identity, position) {
      if (identity === null || identity === current) return true;
      const parted = partings.get(identity);
      return parted === undefined ? null : position <= parted;
    },
    parted(identity) {
      const parted = identity === current ? Number.POSITIVE_INFINITY : partings.get(identity);
      if (parted === undefined) throw new Error(`The identity ${identity} was not looked up`);
      return parted;
    },
    async learn(identity) {
      const found = await client.history({ identity, ...(log === null ? {} : { feed: log }) });
      if (found.identity === null) return;
      note(found.identity);
      // Without a common history nothing that was handled can be relied on.
      if (identity !== current) partings.set(identity, found.parted ?? 0);
    },
  };
}

/** Those of some events that the feed still holds: a delivery may come late, from a history that the feed has left. */
export async function heldEvents(
  history: History,
  events: readonly ConsumerEvent[],
): Promise<readonly ConsumerEvent[]> {
  for (const { logIdentity, position } of events) {
    if (logIdentity !== undefined && history.holds(logIdentity, position) === null) {
      await history.learn(logIdentity);
    }
  }
  return events.every(({ logIdentity = null, position }) => isHeld(history, logIdentity, position))
    ? events
    : events.filter(({ logIdentity = null, position }) => isHeld(history, logIdentity, position));
}

/** A cursor or an event belongs to an identity that has to be looked up before a transaction can use it. */
export class UnknownIdentityError extends Error {
  override readonly name = "UnknownIdentityError";
  readonly identity: string;

  constructor(identity: string) {
    super(`The identity ${identity} was not looked up`);
    this.identity = identity;
  }
}

/** {@link History.holds}, in a transaction, which cannot wait for the server. Throws an UnknownIdentityError. */
export function isHeld(history: History, identity: string | null, position: number): boolean {
  const held = history.holds(identity, position);
  if (held === null && identity !== null) throw new UnknownIdentityError(identity);
  return held ?? true;
}
