import type { Clock } from "../../core/clock.ts";
import { createDeadlines } from "../../core/deadlines.ts";
import type { AnswerHead } from "./answer-reader.ts";
import { type Connection, type ConnectionOptions, openConnection } from "./connection.ts";
import type { Cutoff } from "./cutoff.ts";
import { createRequestWriter } from "./request-writer.ts";

/** Connections to endpoints, which are kept for later requests to the same address. */
export interface Connections {
  /** Sends a request to an address; see {@link Connection}. */
  exchange(
    place: Pick<ConnectionOptions, "address" | "port">,
    request: string,
    cutoff: Cutoff,
  ): Promise<AnswerHead>;
  /** Closes the connections without a request. */
  close(): void;
}

export interface ConnectionsOptions extends Pick<ConnectionOptions, "mostBytes" | "bodyDeadlines"> {
  readonly clock: Clock;
}

/** How long a connection without a request is kept. Endpoints usually close theirs earlier. */
const IDLE_MS = 30_000;

/** Connections without a request that are kept, of all endpoints together. */
const MOST_IDLE = 1_024;

interface Kept {
  readonly connection: Connection;
  /** Stops the deadline of a connection that is kept. */
  stopDeadline: () => void;
}

export function createConnections({ clock, ...options }: ConnectionsOptions): Connections {
  const writeRequest = createRequestWriter();
  const idleDeadlines = createDeadlines(clock, IDLE_MS);
  /** By address and port, the last used one last. */
  const idle = new Map<string, Kept[]>();
  let idleCount = 0;

  const remove = (key: string, kept: Kept) => {
    const all = idle.get(key);
    const index = all?.indexOf(kept) ?? -1;
    if (all === undefined || index === -1) return;
    all.splice(index, 1);
    if (all.length === 0) idle.delete(key);
    idleCount -= 1;
    kept.stopDeadline();
  };

  const take = (key: string): Kept | null => {
    for (;;) {
      const kept = idle.get(key)?.at(-1);
      if (kept === undefined) return null;
      remove(key, kept);
      if (kept.connection.isReusable()) return kept;
    }
  };

  const keep = (key: string, kept: Kept) => {
    if (!kept.connection.isReusable()) return;
    if (idleCount >= MOST_IDLE) {
      kept.connection.close();
      return;
    }
    kept.stopDeadline = idleDeadlines.start(() => kept.connection.close());
    const all = idle.get(key);
    if (all === undefined) idle.set(key, [kept]);
    else all.push(kept);
    idleCount += 1;
  };

  const open = (key: string, address: string, port: number): Kept => {
    const onEnd = () => remove(key, kept);
    const kept: Kept = {
      connection: openConnection({ ...options, address, port, writeRequest, onEnd }),
      stopDeadline: () => {},
    };
    return kept;
  };

  return {
    async exchange({ address, port }, request, cutoff) {
      const key = `${address} ${port}`;
      const known = take(key);
      let used = known ?? open(key, address, port);
      try {
        return await used.connection.exchange(request, cutoff);
      } catch (error) {
        // An endpoint may close a connection that it kept just when a request is sent; then it takes no part of it.
        if (known === null || known.connection.hasAnswer() || cutoff.isCut()) throw error;
        used = open(key, address, port);
        return await used.connection.exchange(request, cutoff);
      } finally {
        keep(key, used);
      }
    },
    close() {
      for (const { connection } of Array.from(idle.values()).flat()) connection.close();
      idleDeadlines.close();
    },
  };
}
