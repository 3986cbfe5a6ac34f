import type { Client } from "../../client/client.ts";
import type { ReadOptions } from "../../client/types.ts";
import type { KildeEvent } from "../../core/read-event.ts";

/** Answers that one read takes: the server bounds each by its bytes, and an event may have megabytes. */
const MOST_ANSWERS = 2;

/** Events of a log, as many as a view holds. */
export interface BoundedRead {
  readonly events: readonly KildeEvent[];
  /** There may be more: the read ended at its limit, or because the events are large. */
  readonly mayHaveMore: boolean;
}

/** Reads events up to a number, and fewer if they are large. */
export async function readBounded(
  client: Pick<Client, "readPages">,
  options: ReadOptions,
  limit: number,
): Promise<BoundedRead> {
  const events: KildeEvent[] = [];
  let answers = 0;
  for await (const page of client.readPages({ ...options, limit, pageSize: limit })) {
    events.push(...page);
    answers += 1;
    if (answers === MOST_ANSWERS) break;
  }
  return { events, mayHaveMore: events.length === limit || answers === MOST_ANSWERS };
}
