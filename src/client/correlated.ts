import { eventOf, type KildeEvent, type WireEvent } from "../core/read-event.ts";
import { readObject } from "./parse-answer.ts";
import { queryString } from "./read.ts";
import { type RequestDeps, send } from "./request.ts";

export interface CorrelatedOptions {
  /** Only events after this position: `next` of the page before. */
  readonly after?: number | undefined;
  /** Most events; default: 100. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Events of the event log with one correlation id, in order of position. */
export interface CorrelatedEvents<Data = unknown> {
  readonly events: readonly KildeEvent<Data>[];
  /** Position up to which the server has indexed the correlations of events. */
  readonly indexed: number;
  /** Position of the last event of the log. */
  readonly head: number;
  /** `after` of the next page; null: nothing follows. */
  readonly next: number | null;
}

/** Reads the events with a correlation id. */
export async function readCorrelated<Data>(
  deps: RequestDeps,
  id: string,
  { signal, ...query }: CorrelatedOptions,
): Promise<CorrelatedEvents<Data>> {
  const path = `/events/correlated${queryString({ id, ...query })}`;
  const init = signal === undefined ? {} : { signal };
  const read = readObject<Omit<CorrelatedEvents, "events"> & { readonly events: readonly WireEvent[] }>;
  const { events, ...answer } = await send(deps, path, init, read);
  return { ...answer, events: events.map((event) => eventOf<Data>(event)) };
}
