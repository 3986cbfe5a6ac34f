import type { LogName } from "./published.ts";

/** What a producer process is started with. */
export interface ProducerOptions {
  readonly name: string;
  readonly url: string;
  /** How it keeps an operation from being done twice. */
  readonly by: "keys" | "versions";
  readonly seed: number;
  /** Where it keeps what was acknowledged, a line for each operation. */
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

/** What a consumer process is started with. */
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

/** What a consumer process prints, a line each. */
export type ConsumerLine =
  | { readonly kind: "started"; readonly url: string | null }
  | { readonly kind: "migrated"; readonly switched: number }
  | { readonly kind: "stopped"; readonly received: number };
