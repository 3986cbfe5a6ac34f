import type { Client, KildeEvent } from "../client/index.ts";
import { type Cursor, eventIdOf } from "../core/cursor.ts";
import type { ConsumerDeps } from "./deps.ts";
import { type ConsumerEvent, consumerEvent } from "./types.ts";

/** How events come: server-sent events, long-polls, or handed to `receive` (webhooks). */
export type Transport = "sse" | "poll" | "push";

/**
 * How long the server waits for an event in a poll. With the deadline for its answer it is below the 20 seconds within
 * which a consumer is to heal after the network is back.
 */
const POLL_MS = 5_000;

/** Most events that wait to be handled. */
const BUFFERED = 2_000;

type Source = Pick<ConsumerDeps<unknown>, "client" | "log">;

function sourceOf(log: Source["log"]): Parameters<Client["readPages"]>[0] {
  return log === null ? {} : { feed: log };
}

/** Single events as they come, in batches of what came while one was handled. */
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

/** What a transport notices besides events. */
export interface Watch {
  /** Everything there was has been given. */
  readonly onLive: () => void;
  /** An answer names the identity of the log. */
  readonly onLog: (identity: string) => void;
}

/**
 * Events of a log after a position, in order, in batches: pages while there are many, and then as the transport has it.
 * Ends when the signal aborts, and after the pages for events that are pushed.
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
