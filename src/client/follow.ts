import { parseCursor } from "../core/cursor.ts";
import { eventOf, type WireEvent } from "../core/read-event.ts";
import { eventStream } from "./event-stream.ts";
import { queryString, sourcePath } from "./read.ts";
import { parseEvent } from "./parse-events.ts";
import { reconnecting } from "./reconnecting.ts";
import { planAttempt, type RequestDeps } from "./request.ts";
import type { ReplyHeaders } from "./http-transport.ts";
import type { FollowOptions, KildeEvent } from "./types.ts";

/** Reads the events of one connection until it ends or fails. */
function connection(
  deps: RequestDeps,
  options: FollowOptions,
  lastEventId: string | number | undefined,
  attempt: number,
  onOpened: () => void,
): AsyncGenerator<WireEvent, void, undefined> {
  const { types, streamPrefix, signal } = options;
  const log = sourcePath(options);
  const path = log + queryString({ lastEventId, type: types, subjectPrefix: streamPrefix });
  const onOpen = (headers: ReplyHeaders) => {
    onOpened();
    const identity = headers.get("kilde-log");
    if (identity !== null) options.onLog?.(identity);
  };
  return eventStream(
    deps,
    path,
    signal,
    onOpen,
    ({ id, data }) => parseEvent(data, log, parseCursor(id ?? "")?.position ?? null),
    planAttempt(deps, attempt, false),
  );
}

/** The position of a cursor; 0 for a text that the server will reject. */
function positionOf(lastEventId: string | number): number {
  return parseCursor(String(lastEventId))?.position ?? 0;
}

/**
 * Follows a log. After a lost connection it continues after the last event received, without a gap or a repeat. Ends
 * when the signal aborts; throws errors that another attempt would not change.
 */
export function follow<Data>(
  deps: RequestDeps,
  options: FollowOptions,
): AsyncGenerator<KildeEvent<Data>, void, undefined> {
  let { lastEventId } = options;
  return reconnecting(deps, options.signal, {
    connect: (attempt, onOpened) => connection(deps, options, lastEventId, attempt, onOpened),
    read(event) {
      const read = eventOf<Data>(event);
      if (lastEventId !== undefined && read.position <= positionOf(lastEventId)) return null;
      lastEventId = read.cursor;
      return read;
    },
  });
}
