import type { Client, KildeEvent } from "../client/index.ts";
import { type Cursor, eventIdOf } from "../core/cursor.ts";
import type { ConsumerDeps } from "./deps.ts";
import { type ConsumerEvent, consumerEvent } from "./types.ts";

/** How events arrive: server-sent events, long-polls, or calls of `receive` (webhooks). */
export type Transport = "sse" | "poll" | "push";

/**
 * Longest wait of the server for an event in a poll. Together with the deadline for its answer it is below the 20
 * seconds within which a consumer must recover after a network failure.
 */
const POLL_MS = 5_000;

/** Most events that wait for the handler. */
const BUFFERED = 2_000;

type Source = Pick<ConsumerDeps<unknown>, "client" | "log">;

function sourceOf(log: Source["log"]): Parameters<Client["readPages"]>[0] {
  return log === null ? {} : { feed: log };
}

/** Groups single events into batches: each batch holds the events that arrived during the one before. */
async function* gathered(
  events: AsyncGenerator<KildeEvent, void, undefined>,
  signal: AbortSignal,
): AsyncGenerator<KildeEvent[], void, undefined> {
  let waiting: KildeEvent[] = [];
  let ended = false;
  let failure: unknown = null;
  let wakeReader = () => {};
  let wakeWriter = () => {};
  const pump = async () => {
    try {
      for await (const event of events) {
        waiting.push(event);
        wakeReader();
        if (waiting.length >= BUFFERED) await new Promise<void>((resolve) => (wakeWriter = resolve));
        if (signal.aborted) return;
      }
    } catch (error) {
      failure = error;
    } finally {
      ended = true;
      wakeReader();
    }
  };
  const pumping = pump();
  const onAbort = () => {
    wakeReader();
    wakeWriter();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!signal.aborted) {
      if (waiting.length > 0) {
        const batch = waiting;
        waiting = [];
        wakeWriter();
        yield batch;
      } else if (ended) {
        if (failure !== null) throw failure;
        return;
      } else {
        await new Promise<void>((resolve) => (wakeReader = resolve));
      }
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    wakeWriter();
    if (signal.aborted) await pumping;
  }
}

/** Notifications of a transport besides events. */
export interface Watch {
  /** The transport has reached the end of the log. */
  readonly onLive: () => void;
  /** An answer contains the identity of the log. */
  readonly onLog: (identity: string) => void;
}

/**
 * Reads events of a log after a position, in order and in batches: pages while there are many, and then as the
 * transport delivers them. Ends when the signal aborts, and after the pages when events are pushed.
 */
export async function* batches(
  { client, log }: Source,
  after: Cursor,
  transport: Transport,
  { onLive, onLog }: Watch,
  signal: AbortSignal,
): AsyncGenerator<ConsumerEvent[], void, undefined> {
  const source = { ...sourceOf(log), onLog };
  let lastEventId = eventIdOf(after);
  const given = (events: readonly KildeEvent[]): ConsumerEvent[] => {
    lastEventId = events.at(-1)?.cursor ?? lastEventId;
    return events.map(consumerEvent);
  };
  for await (const page of client.readPages({ ...source, lastEventId, signal })) yield given(page);
  onLive();
  while (transport === "poll" && !signal.aborted) {
    for await (const page of client.readPages({ ...source, lastEventId, timeout: POLL_MS, signal }))
      yield given(page);
  }
  if (transport !== "sse") return;
  for await (const batch of gathered(client.follow({ ...source, lastEventId, signal }), signal))
    yield given(batch);
}
