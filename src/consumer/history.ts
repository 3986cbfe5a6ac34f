import type { ConsumerDeps } from "./deps.ts";
import type { ConsumerEvent } from "./types.ts";

/**
 * The current history of the feed, and the last positions that it has in common with former ones: a restore of the
 * server gives the feed another identity, and positions then name other events.
 */
export interface History {
  /** Identity of the feed at the last lookup; null before, and when the server sends none. */
  readonly current: string | null;
  /**
   * Whether the feed still holds the event that had this position under an identity. Null: the caller must look up
   * the identity first. Without an identity the answer is unknown, and true is assumed.
   */
  holds(identity: string | null, position: number): boolean | null;
  /** Last position that the feed has in common with an identity. Throws an Error if the identity was not looked up. */
  parted(identity: string): number;
  /** Looks up an identity. */
  learn(identity: string): Promise<void>;
  /** Records the current identity of the feed from an answer. */
  note(identity: string): void;
}

export function createHistory({ client, log }: Pick<ConsumerDeps<unknown>, "client" | "log">): History {
  let current: string | null = null;
  /** Last common positions by identity, without the current one. */
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
      // Without a common history, nothing that was handled is reliable.
      if (identity !== current) partings.set(identity, found.parted ?? 0);
    },
  };
}

/** Keeps the events that the feed still holds: a delivery may arrive late, from a former history of the feed. */
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

/** A cursor or an event belongs to an identity that must be looked up before a transaction can use it. */
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
