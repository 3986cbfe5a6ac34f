/** What a reconstitution found; while it is under way, so far. */
export interface Reconstitution {
  /** Position in the feed after which subjects were looked at, if they changed; null: all subjects were. */
  readonly changedSince: number | null;
  /** Everything up to this position of the feed is there when it is done, but for `failed` and `blocked`. */
  readonly head: number;
  /** Subjects looked at. */
  readonly checked: number;
  /** Subjects that lacked events, and no longer do: the first 1,000. */
  readonly healed: readonly Healed[];
  readonly healedSubjects: number;
  readonly healedEvents: number;
  /** Subjects that lacked events which are still to come anyway. */
  readonly pending: number;
  /** Subjects that are blocked, and being tried again. */
  readonly blocked: number;
  /** Subjects whose handler failed. */
  readonly failed: readonly string[];
  /**
   * Subjects of which the feed does not have what was handled: it was restored in a way that gave it no new identity. With
   * `reset` they are reset and read again; without, the consumer halts. The first 1,000.
   */
  readonly ahead: readonly string[];
  /** Requests sent. */
  readonly requests: number;
}

export interface Healed {
  readonly subject: string;
  /** Versions before and after. */
  readonly from: number;
  readonly to: number;
}

/** What the store keeps of reconstitutions, as JSON. */
export interface ReconstitutionState {
  /** Everything up to it was there when a reconstitution ended; null: none did. */
  readonly verified: number | null;
  /** One that is not at its end. */
  readonly walk: Walk | null;
}

export interface Walk {
  readonly found: Reconstitution;
  /** Where it continues: after a name, or a position. */
  readonly after: string | number;
  /** Everything up to this position will be there at its end. */
  readonly reach: number;
}

export function readState(text: string | null): ReconstitutionState {
  return text === null ? { verified: null, walk: null } : (JSON.parse(text) as ReconstitutionState);
}

/** The state after the feed was restored: nothing after where the histories parted is verified. */
export function withoutWalk(text: string | null, parted: number): string | null {
  if (text === null) return null;
  const { verified } = readState(text);
  const state: ReconstitutionState = {
    verified: verified === null ? null : Math.min(verified, parted),
    walk: null,
  };
  return JSON.stringify(state);
}
