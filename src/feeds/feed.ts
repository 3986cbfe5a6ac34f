import type { SourceEvent } from "./define/define.ts";

/** An event that a handler published, checked against the contract: `data` is JSON text. */
export interface FeedEvent {
  readonly type: string;
  readonly data: string;
}

/** The outcome of projecting one source event for one subject. */
export interface Projected {
  /** JSON text of the subject's state after the event; null where the feed keeps none. */
  readonly state: string | null;
  readonly events: readonly FeedEvent[];
  /** The subject is to be erased: a tombstone is published. */
  readonly erased: boolean;
}

/** A failure that halts a projection, with its event and subject. */
export class ProjectionError extends Error {
  override readonly name = "ProjectionError";
  readonly position: number;
  readonly subject: string;
  /** JSON pointers into the published event, where it breaks the contract. */
  readonly issues: readonly { readonly pointer: string; readonly detail: string }[];

  constructor(
    message: string,
    at: { readonly position: number; readonly subject: string },
    issues: ProjectionError["issues"] = [],
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.position = at.position;
    this.subject = at.subject;
    this.issues = issues;
  }
}

/** A compiled feed version, for the projector: a validated definition without the types of its data. */
export interface Feed {
  readonly name: string;
  readonly version: number;
  /** Path of its log: `/feeds/declarations/v2`. */
  readonly path: string;
  readonly description: string | null;
  readonly draft: boolean;
  /** `public`: everyone may read it, without credentials. */
  readonly access: "granted" | "public";
  readonly source: {
    /** Path of the log that is read: `/events`, or that of another feed. */
    readonly log: string;
    /** Prefixes of subjects; empty: all. */
    readonly prefixes: readonly string[];
    /** Event types that are read, with `kilde.erased` among them. */
    readonly types: readonly string[];
  };
  /** The feed itself assigns each event to a subject. */
  readonly rekeyed: boolean;
  /** The events published for an event depend on the earlier events of the subject. */
  readonly stateful: boolean;
  /** An erased stream may be published as something else than a tombstone. */
  readonly replacesErased: boolean;
  /** JSON Schema (2020-12) of the `data` of each type that is published. */
  readonly schemas: Readonly<Record<string, unknown>>;
  readonly deprecated: string | null;
  readonly sunset: string | null;
  readonly successor: number | null;
  /** Throws a ProjectionError. */
  readonly subjectOf: (event: SourceEvent) => string | null;
  /** Applies one event to a subject's state (JSON text, null before the first). Throws a ProjectionError. */
  readonly project: (subject: string, event: SourceEvent, state: string | null) => Projected;
}
