import type { AppendReceipt, ExpectedVersion, AcceptedEvent } from "../../core/event.ts";
import type { LogState } from "../log-state.ts";

/** The state of one subject, on which an append depends. */
export interface SubjectState {
  /** Null while the subject has never had an event. */
  readonly id: number | null;
  readonly version: number;
  readonly erased: boolean;
}

export interface AppendPart {
  readonly subject: string;
  readonly expectedVersion: ExpectedVersion;
  readonly events: readonly AcceptedEvent[];
  /** The events end with a tombstone, and the earlier events are to be deleted. */
  readonly erases: boolean;
}

/** All or nothing: the parts of one request, in order; a subject may occur several times. */
export interface Transaction {
  readonly parts: readonly AppendPart[];
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
  /** Identity of the log that it was decided on; absent where the caller does not state one. */
  readonly identity?: string | undefined;
}

/** The answer to an earlier request with the same idempotency key. */
export interface FirstAnswer {
  readonly fingerprint: string;
  readonly results: readonly AppendReceipt[];
}

export interface Accepted {
  readonly outcome: "appended";
  readonly results: readonly AppendReceipt[];
  /** True when this is the first answer again: nothing was written now. */
  readonly replayed: boolean;
}

export type Refused =
  | {
      readonly outcome: "version-conflict" | "stream-erased";
      readonly subject: string;
      readonly currentVersion: number;
      readonly expectedVersion: ExpectedVersion;
    }
  | {
      readonly outcome: "log-restored";
      /** The identity that was stated. */
      readonly identity: string;
    }
  | { readonly outcome: "idempotency-key-reused" };

/** `log`: the log after the commit. */
export type AppendOutcome = (Accepted | Refused) & { readonly log: LogState };

/** An event with its place: the position is `offset + 1` after the head the group is committed on. */
export interface PlacedEvent {
  readonly subject: string;
  readonly subjectId: number | null;
  readonly version: number;
  readonly event: AcceptedEvent;
}

/** The fate of one transaction of a group. Positions of `appended` results are relative to the head. */
export type Decision =
  | { readonly kind: "append"; readonly results: readonly AppendReceipt[] }
  | { readonly kind: "replay"; readonly answer: FirstAnswer }
  | { readonly kind: "same-as"; readonly index: number }
  | { readonly kind: "refuse"; readonly refusal: Refused; readonly basis: readonly string[] };

export interface Plan {
  /** Identity of the log that the plan was made on. */
  readonly identity: string;
  /** One for each transaction, in order. */
  readonly decisions: readonly Decision[];
  /** In order of position. */
  readonly events: readonly PlacedEvent[];
  /** State of every subject that the group changes, as it will be. */
  readonly after: ReadonlyMap<string, SubjectState>;
  readonly newSubjects: readonly string[];
  /** Tombstones the group writes, in order. */
  readonly tombstones: readonly { readonly subject: string; readonly version: number }[];
  /** Subjects that were erased and are no longer. */
  readonly revived: readonly string[];
}

/** The state before a transaction, of the subjects that it changes. */
interface Undo {
  readonly events: number;
  readonly tombstones: number;
  readonly wereErased: number;
  /** State that was planned of each part's subject; undefined where none was. */
  readonly replaced: { readonly subject: string; readonly state: SubjectState | undefined }[];
}

function refusalOf(part: AppendPart, state: SubjectState): Refused | null {
  const { subject, expectedVersion } = part;
  const { version: currentVersion, erased } = state;
  const refuse = (outcome: "version-conflict" | "stream-erased"): Refused => ({
    outcome,
    subject,
    currentVersion,
    expectedVersion,
  });
  if (typeof expectedVersion === "number") {
    return expectedVersion === currentVersion ? null : refuse("version-conflict");
  }
  if (erased) return refuse("stream-erased");
  return expectedVersion === "exists" && currentVersion === 0 ? refuse("version-conflict") : null;
}

/**
 * Decides the fate of a group of transactions as if they ran one after the other, given the known state of their
 * subjects and keys. Pure; the commit proves it: a state that was out of date makes a (subject, version) collide, and an
 * identity that was out of date is refused.
 */
export function planGroup(
  transactions: readonly Transaction[],
  stateOf: (subject: string) => SubjectState,
  firstAnswerOf: (key: string) => FirstAnswer | undefined,
  identity: string,
): Plan {
  const after = new Map<string, SubjectState>();
  const events: PlacedEvent[] = [];
  const tombstones: { subject: string; version: number }[] = [];
  /** Subjects whose last event was a tombstone when another was placed. */
  const wereErased: string[] = [];
  const keys = new Map<string, { index: number; fingerprint: string }>();
  const reused: Decision = { kind: "refuse", refusal: { outcome: "idempotency-key-reused" }, basis: [] };

  const takeBack = ({ replaced, ...counts }: Undo) => {
    events.length = counts.events;
    tombstones.length = counts.tombstones;
    wereErased.length = counts.wereErased;
    for (const { subject, state } of replaced.toReversed()) {
      if (state === undefined) after.delete(subject);
      else after.set(subject, state);
    }
  };

  /** Places the parts of a transaction; when one is refused, all is again as it was before. */
  const place = (parts: readonly AppendPart[]): Decision => {
    const results: AppendReceipt[] = [];
    // A single part has changed nothing when it is refused.
    const undo: Undo | null =
      parts.length === 1
        ? null
        : {
            events: events.length,
            tombstones: tombstones.length,
            wereErased: wereErased.length,
            replaced: [],
          };
    for (const part of parts) {
      const { subject } = part;
      const planned = after.get(subject);
      const state = planned ?? stateOf(subject);
      const refusal = refusalOf(part, state);
      if (refusal !== null) {
        if (undo !== null) takeBack(undo);
        // Also the parts before it: seen as they are now, one of them may be the first to be refused.
        const basis = parts.slice(0, results.length + 1).map((each) => each.subject);
        return { kind: "refuse", refusal, basis };
      }
      if (state.erased) wereErased.push(subject);
      let { version } = state;
      for (const event of part.events) {
        version += 1;
        events.push({ subject, subjectId: state.id, version, event });
      }
      if (part.erases) tombstones.push({ subject, version });
      undo?.replaced.push({ subject, state: planned });
      after.set(subject, { id: state.id, version, erased: part.erases });
      results.push({ subject, version, position: events.length, count: part.events.length });
    }
    return { kind: "append", results };
  };

  const decide = (transaction: Transaction, index: number): Decision => {
    const { idempotency } = transaction;
    if (idempotency !== null) {
      const answer = firstAnswerOf(idempotency.key);
      if (answer !== undefined) {
        return answer.fingerprint === idempotency.fingerprint ? { kind: "replay", answer } : reused;
      }
      const earlier = keys.get(idempotency.key);
      if (earlier !== undefined) {
        return earlier.fingerprint === idempotency.fingerprint
          ? { kind: "same-as", index: earlier.index }
          : reused;
      }
    }

    const stated = transaction.identity;
    if (stated !== undefined && stated !== identity) {
      return { kind: "refuse", refusal: { outcome: "log-restored", identity: stated }, basis: [] };
    }
    const decision = place(transaction.parts);
    if (decision.kind === "append" && idempotency !== null) {
      keys.set(idempotency.key, { index, fingerprint: idempotency.fingerprint });
    }
    return decision;
  };

  const decisions = transactions.map(decide);
  const newSubjects = [...after].flatMap(([subject, { id }]) => (id === null ? [subject] : []));
  const revived = [...new Set(wereErased)].filter((subject) => after.get(subject)?.erased === false);
  return { identity, decisions, events, after, newSubjects, tombstones, revived };
}
