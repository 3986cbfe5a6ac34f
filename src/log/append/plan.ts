import type { AppendReceipt, ExpectedVersion, AcceptedEvent } from "../../core/event.ts";
import type { LogState } from "../log-state.ts";
import type { AssumedVersions } from "./assumptions.ts";
import { createPlacement, type Placement, type PlacedEvents, type SubjectState } from "./placement.ts";

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
  /** Name of the principal who appends; absent: unknown, or Kilde itself. Only erasures record it. */
  readonly by?: string | null;
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

/** The fate of one transaction of a group. Positions of `appended` results are relative to the head. */
export type Decision =
  | { readonly kind: "append"; readonly results: readonly AppendReceipt[] }
  | { readonly kind: "replay"; readonly answer: FirstAnswer }
  | { readonly kind: "same-as"; readonly index: number }
  | { readonly kind: "refuse"; readonly refusal: Refused; readonly basis: readonly string[] };

export interface Plan extends PlacedEvents<SubjectState, AcceptedEvent> {
  /** True when subjects or idempotency keys were not read, but assumed to be as the appends expect; the batch proves it. */
  readonly assumes: boolean;
  /** The existing, or possibly existing, subjects among them. */
  readonly unread: AssumedVersions;
  /** Identity of the log that the plan was made on. */
  readonly identity: string;
  /** One for each transaction, in order. */
  readonly decisions: readonly Decision[];
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

/** The subject after an accepted part. */
function stateAfter({ events, erases }: AppendPart, { id, version }: SubjectState): SubjectState {
  return { stored: true, id, version: version + events.length, erased: erases };
}

type Refusal = Extract<Decision, { readonly kind: "refuse" }>;

/** Refuses a transaction with its first part that is refused after those before it. */
function refusedPart(
  parts: readonly AppendPart[],
  stateOf: (subject: string) => SubjectState,
): Refusal | null {
  // Most transactions have one part, which needs no map.
  const planned = parts.length === 1 ? null : new Map<string, SubjectState>();
  for (const [index, part] of parts.entries()) {
    const state = planned?.get(part.subject) ?? stateOf(part.subject);
    const refusal = refusalOf(part, state);
    if (refusal !== null) {
      // Also the parts before it: seen as they are now, one of them may be the first to be refused.
      const basis = parts.slice(0, index + 1).map(({ subject }) => subject);
      return { kind: "refuse", refusal, basis };
    }
    planned?.set(part.subject, stateAfter(part, state));
  }
  return null;
}

type EventPlacement = Placement<SubjectState, AcceptedEvent>;

function placePart(placement: EventPlacement, part: AppendPart, state: SubjectState): AppendReceipt {
  const { subject, events } = part;
  let { version } = state;
  for (const event of events) {
    version += 1;
    placement.place(subject, state.id, version, event);
  }
  placement.update(subject, state, stateAfter(part, state));
  return { subject, version, position: placement.nextOffset(), count: events.length };
}

/** Places the parts of a transaction, unless one is refused. */
function decideParts(placement: EventPlacement, parts: readonly AppendPart[]): Decision {
  const refused = refusedPart(parts, placement.stateOf);
  if (refused !== null) return refused;
  const results = parts.map((part) => placePart(placement, part, placement.stateOf(part.subject)));
  return { kind: "append", results };
}

const KEY_REUSED: Decision = {
  kind: "refuse",
  refusal: { outcome: "idempotency-key-reused" },
  basis: [],
};

/** A transaction of the group that was accepted under an idempotency key. */
interface Original {
  readonly index: number;
  readonly fingerprint: string;
}

/** Decides a transaction whose idempotency key was used before, in the log or in the group; null: it was not. */
function decideRepeated(
  { key, fingerprint }: NonNullable<Transaction["idempotency"]>,
  firstAnswerOf: (key: string) => FirstAnswer | undefined,
  originals: ReadonlyMap<string, Original>,
): Decision | null {
  const answer = firstAnswerOf(key);
  if (answer !== undefined)
    return answer.fingerprint === fingerprint ? { kind: "replay", answer } : KEY_REUSED;
  const original = originals.get(key);
  if (original === undefined) return null;
  return original.fingerprint === fingerprint ? { kind: "same-as", index: original.index } : KEY_REUSED;
}

/**
 * Decides the fate of a group of transactions as if they ran one after the other, given the known state of their
 * subjects and keys. Pure; the commit proves it: a state that was out of date makes a (subject, version) collide, and an
 * identity that was out of date is refused. `assumed`: subjects whose state is an assumption; absent: none.
 */
export function planGroup(
  transactions: readonly Transaction[],
  stateOf: (subject: string) => SubjectState,
  firstAnswerOf: (key: string) => FirstAnswer | undefined,
  identity: string,
  assumed: AssumedVersions | null = null,
): Plan {
  const placement: EventPlacement = createPlacement(stateOf);
  const originals = new Map<string, Original>();
  const decide = ({ parts, idempotency, identity: stated }: Transaction, index: number): Decision => {
    const repeated = idempotency === null ? null : decideRepeated(idempotency, firstAnswerOf, originals);
    if (repeated !== null) return repeated;
    if (stated !== undefined && stated !== identity) {
      return { kind: "refuse", refusal: { outcome: "log-restored", identity: stated }, basis: [] };
    }
    const decision = decideParts(placement, parts);
    if (decision.kind === "append" && idempotency !== null)
      originals.set(idempotency.key, { index, fingerprint: idempotency.fingerprint });
    return decision;
  };
  const unread = new Map(Array.from(assumed ?? []).filter(([, version]) => version !== 0));
  return {
    identity,
    assumes: assumed !== null,
    unread,
    decisions: transactions.map(decide),
    ...placement.placed(),
  };
}
