import type { WireEvent } from "../../../support/app.ts";

/** How long the receiver thinks at most, so that there is always something under way. */
const MAX_THOUGHT_MS = 10;

/** Takes webhooks, and keeps what it took, by subject and in the order in which it came. */
export interface Receiver {
  readonly url: string;
  /** The events that a path received, by subject; the first delivery of each. */
  taken(path: string): ReadonlyMap<string, readonly WireEvent[]>;
  /** Events that came to a path before one that comes before them. */
  outOfOrder(path: string): readonly string[];
  /** How many came again. */
  repeats(): number;
  /** Refuses the events of a subject from now on; null: of none. */
  refuse(subject: string | null): void;
  /** How many were refused. */
  refused(): number;
  /** When the last one came, by this process's clock. */
  lastAt(): number;
  /** Times that requests were signed at, in seconds since 1970: the earliest and the latest. */
  signedAt(): { readonly first: number; readonly last: number };
  stop(): Promise<void>;
}

export function startReceiver(): Receiver {
  const logs = new Map<string, Map<string, WireEvent[]>>();
  const wrong = new Map<string, string[]>();
  let repeats = 0;
  let lastAt = 0;
  let [first, last] = [Infinity, 0];
  let unwanted: string | null = null;
  let refused = 0;
  const take = (path: string, event: WireEvent) => {
    const log = logs.get(path) ?? new Map<string, WireEvent[]>();
    logs.set(path, log);
    const before = log.get(event.subject) ?? [];
    log.set(event.subject, before);
    const version = Number(event.sequence);
    if (version <= before.length) repeats += 1;
    else if (version === before.length + 1) before.push(event);
    else {
      wrong.set(path, [
        ...(wrong.get(path) ?? []),
        `${event.subject}: ${version} came after ${before.length}`,
      ]);
    }
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { previoussequence: _previous, ...event } = (await request.json()) as WireEvent;
      const signed = Number(request.headers.get("webhook-timestamp"));
      [first, last] = [Math.min(first, signed), Math.max(last, signed)];
      await Bun.sleep(Math.random() * MAX_THOUGHT_MS);
      if (event.subject === unwanted) {
        refused += 1;
        return new Response(null, { status: 422 });
      }
      take(new URL(request.url).pathname, event);
      lastAt = Date.now();
      return new Response(null, { status: 204 });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    taken: (path) => logs.get(path) ?? new Map(),
    outOfOrder: (path) => wrong.get(path) ?? [],
    refuse(subject) {
      unwanted = subject;
    },
    refused: () => refused,
    repeats: () => repeats,
    lastAt: () => lastAt,
    signedAt: () => ({ first, last }),
    stop: () => server.stop(true),
  };
}
