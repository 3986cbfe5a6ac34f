import type { SourceEvent } from "../../src/feed/define.ts";
import { type Feed, type FeedEvent, ProjectionError } from "../../src/feed/feed.ts";

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

export function sketch({ name, version = 1, source, subject, project = copied, ...rest }: FeedSketch): Feed {
  return {
    name,
    version,
    path: `/feeds/${name}/v${version}`,
    description: null,
    draft: false,
    source: {
      log: "/events",
      prefixes: [],
      ...source,
      types: [...(source?.types ?? EVENT_TYPES), "kilde.erased"],
    },
    rekeyed: subject !== undefined,
    schemas: { PublicA: { type: "object" } },
    deprecated: rest.deprecated ?? null,
    sunset: rest.sunset ?? null,
    successor: rest.successor ?? null,
    subjectOf: (event) =>
      subject === undefined || event.type === "kilde.erased" ? event.subject : subject(event),
    project(subjectName, event, state) {
      if (event.type === "kilde.erased") return { state: null, events: [], erased: true };
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
