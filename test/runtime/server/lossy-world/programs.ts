import type { LogName } from "./published.ts";

/** Options of a producer process. */
export interface ProducerOptions {
  readonly name: string;
  readonly url: string;
  /** How it keeps an operation from being done twice. */
  readonly by: "keys" | "versions";
  readonly seed: number;
  /** File with the acknowledged operations, a line each. */
  readonly file: string;
  /** Mean wait between two operations. */
  readonly paceMs: number;
}

/** An operation that was acknowledged: positions of the first events, and identifiers of the events from there on. */
export interface Acknowledged {
  readonly number: number;
  readonly identity: string;
  readonly events: readonly { readonly position: number; readonly ids: readonly string[] }[];
}

/** How events reach a consumer. A hydrating one follows nothing: it asks for subjects, and reconstitutes. */
export type ConsumerKind = "sse" | "poll" | "hydrate" | "webhook";

/** Options of a consumer process. */
export interface ConsumerOptions {
  readonly name: string;
  readonly url: string;
  readonly kind: ConsumerKind;
  readonly log: LogName;
  /** The version that it leaves. */
  readonly migrateFrom: LogName | null;
  /** Its database. */
  readonly file: string;
  /** Of its webhook. */
  readonly secret: string | null;
}

/** Output of a consumer process, a line each. */
export type ConsumerLine =
  | { readonly kind: "started"; readonly url: string | null }
  | { readonly kind: "migrated"; readonly switched: number }
  | { readonly kind: "stopped"; readonly received: number };
