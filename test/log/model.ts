/*
 * The guarantees of the event log, in memory and as simple as can be: the other side of the model test.
 */

export type Expected = number | "exists" | "any";

export interface CallEvent {
  readonly type: string;
  /** JSON text, or null for none. */
  readonly data: string | null;
}

export interface CallPart {
  readonly stream: string;
  readonly events: readonly CallEvent[];
  readonly expected: Expected;
}

/** A request that changes the log. */
export type Call =
  | {
      readonly kind: "append";
      readonly part: CallPart;
      readonly stated: "body" | "header";
      readonly key: string | null;
    }
  | { readonly kind: "transaction"; readonly parts: readonly CallPart[]; readonly key: string | null }
  | {
      readonly kind: "erase";
      readonly stream: string;
      readonly reason: string;
      readonly ifMatch: number | null;
    }
  | {
      readonly kind: "truncate";
      readonly stream: string;
      readonly before: number;
      readonly ifMatch: number | null;
    };

export interface Result {
  readonly stream: string;
  readonly version: number;
  readonly position: number;
  readonly count: number;
}

export type Outcome =
  | { readonly kind: "appended"; readonly results: readonly Result[]; readonly replayed: boolean }
  | { readonly kind: "erased"; readonly stream: string; readonly version: number; readonly position: number }
  | {
      readonly kind: "truncated";
      readonly stream: string;
      readonly version: number;
      readonly firstVersion: number;
    }
  | { readonly kind: "refused"; readonly problem: string; readonly currentVersion: number | null };

export interface ModelEvent extends CallEvent {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly reason: string | null;
}

export interface ModelStream {
  readonly stream: string;
  readonly version: number;
  readonly position: number;
  readonly firstVersion: number;
  readonly erased: boolean;
}

export interface Model {
  apply(call: Call): Outcome;
  versionOf(stream: string): number;
  head(): number;
  /** The events that a reader of the whole log sees, in order. */
  events(): readonly ModelEvent[];
  streams(): readonly ModelStream[];
}

function refused(problem: string, currentVersion: number | null = null): Outcome {
  return { kind: "refused", problem, currentVersion };
}

export function createModel(): Model {
  let log: readonly ModelEvent[] = [];
  let streams: ReadonlyMap<string, ModelStream> = new Map();
  const answers = new Map<string, { fingerprint: string; results: readonly Result[] }>();

  const unacceptable = (stream: ModelStream | undefined, expected: Expected): Outcome | null => {
    const version = stream?.version ?? 0;
    if (typeof expected === "number") {
      return expected === version ? null : refused("version-conflict", version);
    }
    if (stream?.erased === true) return refused("stream-erased", version);
    return expected === "exists" && version === 0 ? refused("version-conflict", 0) : null;
  };

  /** Applies all parts or none of them. */
  const append = (parts: readonly CallPart[], key: string | null): Outcome => {
    const fingerprint = JSON.stringify(parts);
    const answer = key === null ? undefined : answers.get(key);
    if (answer !== undefined) {
      return answer.fingerprint === fingerprint
        ? { kind: "appended", results: answer.results, replayed: true }
        : refused("idempotency-key-reused");
    }
    const nextLog = [...log];
    const nextStreams = new Map(streams);
    const results: Result[] = [];
    for (const { stream, events, expected } of parts) {
      const before = nextStreams.get(stream);
      const refusal = unacceptable(before, expected);
      if (refusal !== null) return refusal;
      let version = before?.version ?? 0;
      for (const event of events) {
        version += 1;
        nextLog.push({ ...event, position: nextLog.length + 1, stream, version, reason: null });
      }
      const position = nextLog.length;
      const firstVersion = before?.firstVersion ?? 1;
      nextStreams.set(stream, { stream, version, position, firstVersion, erased: false });
      results.push({ stream, version, position, count: events.length });
    }
    log = nextLog;
    streams = nextStreams;
    if (key !== null) answers.set(key, { fingerprint, results });
    return { kind: "appended", results, replayed: false };
  };

  /** A condition in a header fails with the problem of that header. */
  const asPrecondition = (outcome: Outcome): Outcome =>
    outcome.kind === "refused" && outcome.problem === "version-conflict"
      ? refused("precondition-failed", outcome.currentVersion)
      : outcome;

  const erase = (stream: string, reason: string, ifMatch: number | null): Outcome => {
    const before = streams.get(stream);
    if (before === undefined) return refused("stream-not-found");
    const refusal = unacceptable(before, ifMatch ?? "exists");
    if (refusal !== null) return asPrecondition(refusal);
    const version = before.version + 1;
    const position = log.length + 1;
    log = [...log, { type: "kilde.erased", data: null, position, stream, version, reason }];
    const erased = { stream, version, position, firstVersion: version, erased: true };
    streams = new Map(streams).set(stream, erased);
    return { kind: "erased", stream, version, position };
  };

  const truncate = (stream: string, before: number, ifMatch: number | null): Outcome => {
    const known = streams.get(stream);
    if (known === undefined) return refused("stream-not-found");
    const { version } = known;
    if (before > version) return refused("invalid-parameter");
    if (ifMatch !== null && ifMatch !== version) return refused("precondition-failed", version);
    const firstVersion = Math.max(known.firstVersion, before);
    streams = new Map(streams).set(stream, { ...known, firstVersion });
    return { kind: "truncated", stream, version, firstVersion };
  };

  return {
    apply(call) {
      switch (call.kind) {
        case "append": {
          const outcome = append([call.part], call.key);
          return call.stated === "header" ? asPrecondition(outcome) : outcome;
        }
        case "transaction":
          return append(call.parts, call.key);
        case "erase":
          return erase(call.stream, call.reason, call.ifMatch);
        case "truncate":
          return truncate(call.stream, call.before, call.ifMatch);
      }
    },
    versionOf: (stream) => streams.get(stream)?.version ?? 0,
    head: () => log.length,
    events: () =>
      log.filter(({ stream, version }) => version >= (streams.get(stream)?.firstVersion ?? Infinity)),
    streams: () => [...streams.values()],
  };
}
