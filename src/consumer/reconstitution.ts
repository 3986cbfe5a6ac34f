/** Result of a reconstitution; during one, the result so far. */
export interface Reconstitution {
  /** Only subjects that changed after this position in the feed were checked; null: all subjects. */
  readonly changedSince: number | null;
  /** At the end, everything up to this position of the feed is handled, except for `failed` and `blocked`. */
  readonly head: number;
  /** Number of subjects checked. */
  readonly checked: number;
  /** The first 1,000 subjects that lacked events and now have them. */
  readonly healed: readonly Healed[];
  readonly healedSubjects: number;
  readonly healedEvents: number;
  /** Number of subjects that lack events which are expected to arrive anyway. */
  readonly pending: number;
  /** Number of blocked subjects, which are retried. */
  readonly blocked: number;
  /** Subjects whose handler failed. */
  readonly failed: readonly string[];
  /**
   * The first 1,000 subjects with handled events that the feed does not have: it was restored in a way that kept its
   * identity. With `reset` they are reset and read again; without it, the consumer halts.
   */
  readonly ahead: readonly string[];
  /** Number of requests. */
  readonly requests: number;
}

export interface Healed {
  readonly subject: string;
  /** Versions before and after. */
  readonly from: number;
  readonly to: number;
}

/** State of reconstitutions, which the store keeps as JSON. */
export interface ReconstitutionState {
  /** The last complete reconstitution verified everything up to this position; null: there was none. */
  readonly verified: number | null;
  /** An unfinished walk. */
  readonly walk: Walk | null;
}

export interface Walk {
  readonly found: Reconstitution;
  /** The walk continues after this name, or this position. */
  readonly after: string | number;
  /** At its end, everything up to this position is handled. */
  readonly reach: number;
}

export function readState(text: string | null): ReconstitutionState {
  return text === null ? { verified: null, walk: null } : (JSON.parse(text) as ReconstitutionState);
}

/** The state after a restore of the feed: nothing after the last common position is verified. */
export function withoutWalk(text: string | null, parted: number): string | null {
  if (text === null) return null;
  const { verified } = readState(text);
  const state: ReconstitutionState = {
    verified: verified === null ? null : Math.min(verified, parted),
    walk: null,
  };
  return JSON.stringify(state);
}
