import { type ReadonlySignal, signal } from "@preact/signals";

import { KildeError } from "../../core/errors.ts";
import type { Client } from "../../client/client.ts";
import type { ReadOptions } from "../../client/types.ts";
import { type BoundedRead, readBounded } from "../data/read-bounded.ts";
import type { KildeEvent } from "../../core/read-event.ts";

/** The part of a stream's past that is shown. */
export interface TimelineBound {
  /** Last version that is shown; undefined: the latest. */
  readonly toVersion?: number | undefined;
  /** Shows the events recorded until then (RFC 3339); undefined: until now. */
  readonly asOf?: string | undefined;
}

export interface TimelineState {
  /** In order of version, the latest first. */
  readonly events: readonly KildeEvent[];
  /** Whether there are events before the first that is shown. */
  readonly hasEarlier: boolean;
  /** Whether the latest events were read at least once. */
  readonly isLoaded: boolean;
}

/** The events of one stream, read from its end. */
export interface Timeline {
  readonly state: ReadonlySignal<TimelineState>;
  /** Reads the latest events, or those after the latest that is known. After a restore of the server it starts again. */
  readLatest(abort: AbortSignal): Promise<void>;
  readEarlier(abort: AbortSignal): Promise<void>;
}

/** Events that one step reads. An event may have megabytes. */
const STEP = 20;

/** Events that a page holds: the rest is read again when it is needed. */
const MOST_HELD = 500;

/** Events of one history of the event log: a restore of the server gives it another one. */
interface Step extends BoundedRead {
  /** Identity of the event log; null: the answer has none. */
  readonly log: string | null;
}

/** Reads a step; a stream that does not exist yet has no events. */
async function readStep(client: Pick<Client, "readPages">, options: ReadOptions, size = STEP): Promise<Step> {
  let log: string | null = null;
  const onLog = (identity: string): void => {
    log = identity;
  };
  try {
    return { ...(await readBounded(client, { ...options, onLog }, size)), log };
  } catch (error) {
    if (!(error instanceof KildeError) || error.code !== "stream-not-found") throw error;
    return { events: [], mayHaveMore: false, log: null };
  }
}

/** Whether a read backwards may have ended before the first event. */
function mayHaveEarlier({ events, mayHaveMore }: BoundedRead): boolean {
  return mayHaveMore && (events.at(-1)?.version ?? 1) > 1;
}

export function createTimeline(
  client: Pick<Client, "readPages">,
  stream: string,
  { toVersion, asOf }: TimelineBound,
): Timeline {
  const state = signal<TimelineState>({ events: [], hasEarlier: false, isLoaded: false });
  const isPast = toVersion !== undefined || asOf !== undefined;
  const bound = {
    ...(toVersion === undefined ? {} : { toVersion }),
    ...(asOf === undefined ? {} : { asOf }),
  };

  /** The history that the events are of. */
  let history: string | null = null;

  const readLast = async (abort: AbortSignal): Promise<void> => {
    const read = await readStep(client, { stream, ...bound, direction: "backwards", signal: abort });
    history = read.log;
    state.value = { events: read.events, hasEarlier: mayHaveEarlier(read), isLoaded: true };
  };

  /** The past of a stream does not change, unless the server was restored. */
  const checkPast = async (abort: AbortSignal): Promise<void> => {
    const options = { stream, ...bound, direction: "backwards", signal: abort } as const;
    if ((await readStep(client, options, 1)).log !== history) await readLast(abort);
  };

  const readAfter = async (latest: KildeEvent, abort: AbortSignal): Promise<void> => {
    const options = { stream, afterVersion: latest.version, signal: abort };
    const { events: newer, mayHaveMore, log } = await readStep(client, options);
    if (log !== history || newer.some(({ erased }) => erased)) {
      // The server was restored, or the events before a tombstone are gone.
      await readLast(abort);
      return;
    }
    if (newer.length === 0) return;
    const { events, hasEarlier } = state.peek();
    const held = [...newer.toReversed(), ...events];
    state.value = {
      events: held.slice(0, MOST_HELD),
      hasEarlier: hasEarlier || held.length > MOST_HELD,
      isLoaded: true,
    };
    if (mayHaveMore) await readLast(abort);
  };

  return {
    state,
    readLatest(abort) {
      const [latest] = state.peek().events;
      if (latest === undefined || latest.erased) return readLast(abort);
      return isPast ? checkPast(abort) : readAfter(latest, abort);
    },
    async readEarlier(abort) {
      const { events } = state.peek();
      const earliest = events.at(-1);
      if (earliest === undefined || earliest.version === 1) return;
      const options = {
        stream,
        toVersion: earliest.version - 1,
        direction: "backwards",
        signal: abort,
      } as const;
      const earlier = await readStep(client, options);
      if (earlier.log !== history) {
        await readLast(abort);
        return;
      }
      const { events: known } = state.peek();
      // Other events were read meanwhile: they do not end where these begin, and an erasure may have removed these.
      if (known.at(-1) !== earliest) return;
      state.value = {
        events: [...known, ...earlier.events],
        hasEarlier: mayHaveEarlier(earlier),
        isLoaded: true,
      };
    },
  };
}
