import type { SourceEvent } from "../../src/feeds/define/define.ts";
import { type Feed, type FeedEvent, ProjectionError } from "../../src/feeds/feed.ts";

/** A feed made by hand, for what the engine does with any. */
export interface FeedSketch {
  readonly name: string;
  readonly version?: number;
  readonly source?: Partial<Feed["source"]>;
  readonly subject?: (event: SourceEvent) => string | null;
  readonly project?: (
    event: SourceEvent,
    state: unknown,
  ) => { state?: unknown; events: readonly FeedEvent[] };
  readonly deprecated?: string;
  readonly sunset?: string;
  readonly successor?: number;
  readonly draft?: boolean;
  readonly access?: Feed["access"];
  /** The events that replace an erased stream, in a feed that is not re-keyed. Default: its tombstone. */
  readonly erased?: (event: SourceEvent, state: unknown) => readonly FeedEvent[];
}

/** Publishes each event as it is, beside the number of events so far. */
export function counted(event: SourceEvent, state: unknown) {
  const count = typeof state === "number" ? state + 1 : 1;
  return {
    state: count,
    events: [{ type: `Public${event.type}`, data: JSON.stringify({ count, data: event.data }) }],
  };
}

/** Publishes each event as it is, and keeps nothing. */
export function copied(event: SourceEvent) {
  return { events: [{ type: `Public${event.type}`, data: JSON.stringify(event.data) }] };
}

export const EVENT_TYPES = ["A", "B", "Bad"];

export function sketch({
  name,
  version = 1,
  source,
  subject,
  project = copied,
  erased,
  draft = false,
  access = "granted",
  ...rest
}: FeedSketch): Feed {
  return {
    name,
    version,
    path: `/feeds/${name}/v${version}`,
    description: null,
    draft,
    access,
    source: {
      log: "/events",
      prefixes: [],
      ...source,
      types: [...(source?.types ?? EVENT_TYPES), "kilde.erased"],
    },
    rekeyed: subject !== undefined,
    stateful: project === counted,
    replacesErased: erased !== undefined,
    schemas: { PublicA: { type: "object" } },
    deprecated: rest.deprecated ?? null,
    sunset: rest.sunset ?? null,
    successor: rest.successor ?? null,
    subjectOf(event) {
      if (subject === undefined) return event.subject;
      return event.type === "kilde.erased" ? null : subject(event);
    },
    project(subjectName, event, state) {
      if (event.type === "kilde.erased") {
        const seen = state === null ? undefined : (JSON.parse(state) as unknown);
        return { state: null, events: erased?.(event, seen) ?? [], erased: erased === undefined };
      }
      if (event.type === "Bad" && name !== "tolerant") {
        throw new ProjectionError("this is bad", { position: event.position, subject: subjectName }, [
          { pointer: "/bad", detail: "is bad" },
        ]);
      }
      const { state: next, events } = project(event, state === null ? undefined : JSON.parse(state));
      return { state: next === undefined ? null : JSON.stringify(next), events, erased: false };
    },
  };
}
