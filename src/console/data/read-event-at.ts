import { KildeError } from "../../core/errors.ts";
import type { KildeEvent } from "../../core/read-event.ts";
import type { Client } from "../../client/client.ts";
import type { FeedVersion } from "../../client/types.ts";

export interface ReadEventAtOptions {
  /** Default: the event log. */
  readonly feed?: FeedVersion | undefined;
  readonly signal: AbortSignal;
}

/** Reads the event at a position of a log; null: there is none, or it was removed. */
export async function readEventAt(
  client: Pick<Client, "read">,
  position: number,
  { feed, signal }: ReadEventAtOptions,
): Promise<KildeEvent | null> {
  const log = feed === undefined ? {} : { feed };
  try {
    for await (const event of client.read({ ...log, lastEventId: position - 1, limit: 1, signal }))
      return event.position === position ? event : null;
  } catch (error) {
    if (!(error instanceof KildeError) || error.code !== "cursor-beyond-head") throw error;
  }
  return null;
}
