import type { Appended, ExpectedVersion, NewEvent } from "../core/event.ts";

/** What an append depends on: the state of one subject. */
export interface SubjectState {
  /** Null while the subject has never had an event. */
  readonly id: number | null;
  readonly version: number;
  readonly erased: boolean;
}

export interface Part {
  readonly subject: string;
  readonly expectedVersion: ExpectedVersion;
  readonly events: readonly NewEvent[];
  /** The events end with a tombstone, and what came before is to be deleted. */
  readonly erases: boolean;
}

/** All or nothing: the parts of one request, in order; a subject may occur several times. */
export interface Transaction {
  readonly parts: readonly Part[];
  readonly idempotency: { readonly key: string; readonly fingerprint: string } | null;
}

/** What an earlier request with the same idempotency key was answered. */
export interface FirstAnswer {
  readonly fingerprint: string;
  readonly results: readonly Appended[];
}

export interface Accepted {
  readonly outcome: "appended";
  readonly results: readonly Appended[];
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
  | { readonly outcome: "idempotency-key-reused" };

export type AppendOutcome = Accepted | Refused;

/** An event with its place: the position is `offset + 1` after the head the group is committed on. */
export interface PlacedEvent {
  readonly subject: string;
  readonly subjectId: number | null;
  readonly version: number;
  readonly event: NewEvent;
}

/** The fate of one transaction of a group. Positions of `appended` results are relative to the head. */
export type Decision =
  | { readonly kind: "append"; readonly results: readonly Appended[] }
  | { readonly kind: "replay"; readonly answer: FirstAnswer }
  | { readonly kind: "same-as"; readonly index: number }
  | { readonly kind: "refuse"; readonly refusal: Refused; readonly basis: readonly string[] };

export interface Plan {
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

function refusalOf(part: Part, state: SubjectState): Refused | null {
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
 * Decides the fate of a group of transactions as if they ran one after the other, given what is known of their
 * subjects and keys. Pure; the commit proves it: a state that was out of date makes a (subject, version) collide.
 */
export function planGroup(
  transactions: readonly Transaction[],
  stateOf: (subject: string) => SubjectState,
  firstAnswerOf: (key: string) => FirstAnswer | undefined,
): Plan {
  const after = new Map<string, SubjectState>();
  const events: PlacedEvent[] = [];
  const newSubjects: string[] = [];
  const tombstones: { subject: string; version: number }[] = [];
  const erasedOnce = new Set<string>();
  const keys = new Map<string, { index: number; fingerprint: string }>();
  const reused: Decision = { kind: "refuse", refusal: { outcome: "idempotency-key-reused" }, basis: [] };

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

    const changed = new Map<string, SubjectState>();
    const placed: PlacedEvent[] = [];
    const results: Appended[] = [];
    const wasErased: string[] = [];
    const erasing: { subject: string; version: number }[] = [];
    // Also the parts before a refused one: seen as they are now, one of them may be the first to be refused.
    const basis: string[] = [];
    for (const part of transaction.parts) {
      const { subject } = part;
      basis.push(subject);
      const state = changed.get(subject) ?? after.get(subject) ?? stateOf(subject);
      const refusal = refusalOf(part, state);
      if (refusal !== null) return { kind: "refuse", refusal, basis };
      if (state.erased) wasErased.push(subject);
      let { version } = state;
      for (const event of part.events) {
        version += 1;
        placed.push({ subject, subjectId: state.id, version, event });
      }
      if (part.erases) erasing.push({ subject, version });
      changed.set(subject, { id: state.id, version, erased: part.erases });
      results.push({
        subject,
        version,
        position: events.length + placed.length,
        count: part.events.length,
      });
    }

    for (const [subject, state] of changed) {
      if (state.id === null && !after.has(subject)) newSubjects.push(subject);
      after.set(subject, state);
    }
    for (const event of placed) events.push(event);
    for (const subject of wasErased) erasedOnce.add(subject);
    tombstones.push(...erasing);
    if (idempotency !== null) keys.set(idempotency.key, { index, fingerprint: idempotency.fingerprint });
    return { kind: "append", results };
  };

  const decisions = transactions.map(decide);
  const revived = [...erasedOnce].filter((subject) => after.get(subject)?.erased === false);
  return { decisions, events, after, newSubjects, tombstones, revived };
}
