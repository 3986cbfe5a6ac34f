import type { Outgoing } from "../../../src/webhooks/egress/outgoing.ts";
import { DOORBELL, eventsOf, FIRST_SECRET, START, type World } from "./world.ts";

interface SigningPeriod {
  readonly text: string;
  readonly sinceMs: number;
  /** Infinity for a secret that signs until it is replaced. */
  endsMs: number;
}

interface ModelEvent {
  readonly subject: string;
  readonly version: number;
}

/** The appended events, and their deliveries. */
export interface Model {
  /** Of all events, by position. */
  readonly positions: readonly ModelEvent[];
  readonly subjects: () => Iterable<string>;
  /** Events that were rewound, and not acknowledged since: `SUBJECT VERSION`. */
  readonly owedAgain: Set<string>;
  /** Version of each subject that was acknowledged last. */
  readonly last: ReadonlyMap<string, number>;
  /** Secrets that sign or signed, the newest last. */
  readonly secrets: SigningPeriod[];
  readonly counts: {
    requests: number;
    taken: number;
    duplicates: number;
    longestWaitMs: number;
    longestCalmWaitMs: number;
  };
  appended(subject: string, types: readonly string[], version: number): void;
  /** Whether an event is selected whatever types are asked for. */
  isSelected(subject: string, version: number): boolean;
  /** The first selected version at or after another one. */
  selectedFrom(subject: string, version: number): number | undefined;
  isSkipped(subject: string, version: number): boolean;
  skip(subject: string, version: number): void;
  /** Reverts a skip that did not happen. */
  unskip(subject: string, version: number): void;
  isDone(subject: string, version: number): boolean;
  /** Whether an event may name a version as the one before it: that depends on the selected types. */
  isBefore(subject: string, version: number, before: number): boolean;
  /** An attempt failed for each of the subjects. */
  failed(subjects: Iterable<string>): void;
  /** `isOver`: the sender has crashed, so others may have sent later events before the receiver finished. */
  acknowledge(request: Outgoing, isOver: () => boolean): void;
  /** Selected events that are not done: `SUBJECT VERSION`. */
  undelivered(): string[];
}

/** `isPoisoned`: subjects that the endpoint never acknowledges; their waits are not measured. */
export function createModel(world: World, isPoisoned: (subject: string) => boolean): Model {
  const { options, time } = world;
  const selected = new Map<string, number[]>();
  const typesOf = new Map<string, string[]>();
  const positions: ModelEvent[] = [];
  const appendedAt = new Map<string, number>();
  const acknowledged = new Map<string, Set<number>>();
  const skipped = new Map<string, Set<number>>();
  const owedAgain = new Set<string>();
  const last = new Map<string, number>();
  const failed = new Set<string>();
  const counts = { requests: 0, taken: 0, duplicates: 0, longestWaitMs: 0, longestCalmWaitMs: 0 };

  const marksIn = (marks: Map<string, Set<number>>, subject: string) => {
    const found = marks.get(subject) ?? new Set();
    marks.set(subject, found);
    return found;
  };
  const isDone = (subject: string, version: number) =>
    acknowledged.get(subject)?.has(version) === true || skipped.get(subject)?.has(version) === true;
  const noteWait = (subject: string, sinceMs: number) => {
    if (isPoisoned(subject)) return;
    counts.longestWaitMs = Math.max(counts.longestWaitMs, time.now() - sinceMs);
    if (world.calmSinceMs === null || failed.has(subject)) return;
    const waitMs = time.now() - Math.max(world.calmSinceMs, sinceMs);
    counts.longestCalmWaitMs = Math.max(counts.longestCalmWaitMs, waitMs);
  };
  /** The receiver of a doorbell reads the log. */
  const acknowledgeUpTo = (head: number | undefined) => {
    for (const { subject, version } of positions.slice(0, head)) {
      marksIn(acknowledged, subject).add(version);
      owedAgain.delete(`${subject} ${version}`);
      last.set(subject, version);
    }
  };

  return {
    positions,
    subjects: () => typesOf.keys(),
    owedAgain,
    last,
    secrets: [{ text: FIRST_SECRET, sinceMs: START, endsMs: Number.POSITIVE_INFINITY }],
    counts,
    appended(subject, types, version) {
      const versions = selected.get(subject) ?? [];
      if (!options.patches || subject.startsWith("s-")) selected.set(subject, versions);
      typesOf.set(subject, [...(typesOf.get(subject) ?? []), ...types]);
      types.forEach((type, index) => {
        const at = version - types.length + 1 + index;
        positions.push({ subject, version: at });
        if ((options.filtered || options.patches) && type !== "A") return;
        versions.push(at);
        appendedAt.set(`${subject} ${at}`, time.now());
      });
    },
    isSelected: (subject, version) => selected.get(subject)?.includes(version) === true,
    selectedFrom: (subject, version) => selected.get(subject)?.find((candidate) => candidate >= version),
    isSkipped: (subject, version) => skipped.get(subject)?.has(version) === true,
    skip: (subject, version) => void marksIn(skipped, subject).add(version),
    unskip: (subject, version) => void skipped.get(subject)?.delete(version),
    isDone,
    isBefore(subject, version, before) {
      const versionsOfA = (typesOf.get(subject) ?? []).flatMap((type, index) =>
        type === "A" ? [index + 1] : [],
      );
      const ofA = versionsOfA.findLast((candidate) => candidate < version) ?? 0;
      if (options.patches) return before === version - 1 || before === ofA;
      return before === (options.filtered ? ofA : version - 1);
    },
    failed(subjects) {
      for (const subject of subjects) failed.add(subject);
    },
    acknowledge(request, isOver) {
      for (const { subject, type, sequence, data } of eventsOf(request)) {
        if (type === DOORBELL) {
          acknowledgeUpTo(data.head);
          continue;
        }
        const version = Number(sequence);
        owedAgain.delete(`${subject} ${version}`);
        const done = marksIn(acknowledged, subject);
        if (done.has(version)) counts.duplicates += 1;
        else noteWait(subject, appendedAt.get(`${subject} ${version}`) ?? time.now());
        done.add(version);
        if (!isOver() || version > (last.get(subject) ?? 0)) last.set(subject, version);
        counts.taken += 1;
      }
    },
    undelivered: () =>
      [...selected].flatMap(([subject, versions]) =>
        versions.filter((version) => !isDone(subject, version)).map((version) => `${subject} ${version}`),
      ),
  };
}
