import type { Statement } from "../../storage/database.ts";
import type { BesideCondition } from "../append/append-beside.ts";

/** A removal of events of a stream on request, as the log of administration records it. */
export interface StreamRemoval {
  readonly stream: string;
  /** The first version that stays; null: the stream was erased. */
  readonly before: number | null;
  readonly reason: string | null;
  /** Name of the principal who removed them; null: unknown, or Kilde itself. */
  readonly by: string | null;
}

/** Returns the statements that record removals in the batch that makes them. `now`: RFC 3339, UTC, milliseconds. */
export type RecordRemovals = (
  removals: readonly StreamRemoval[],
  now: string,
  condition: BesideCondition,
) => Statement[];
