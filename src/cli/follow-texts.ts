import { parseCursor } from "../core/cursor.ts";
import { eventStream } from "../client/event-stream.ts";
import { UnreadableEventError } from "../client/index.ts";
import { parseEvent } from "../client/parse-events.ts";
import { planAttempt, type RequestDeps } from "../client/request.ts";
import { requestRetryMs, isPassing } from "../client/retry.ts";

export interface SentEvent {
  readonly position: number;
  /** Cursor to continue after it: the position with the identity of the log. */
  readonly cursor: string;
  /** A CloudEvent, as the server sent it. */
  readonly text: string;
}

/** The log to follow. */
export interface Followed {
  /** Path of a log, or of a stream or subject of it. */
  readonly path: string;
  /** Only events of these types. Default: all. */
  readonly types?: readonly string[] | undefined;
  /** Only subjects with this prefix; for a whole log. */
  readonly prefix?: string | undefined;
  /** Cursor to continue after: a position, alone or with the identity of the log. */
  readonly after: string;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** Reads the events of one connection until it ends. */
function connection(
  deps: RequestDeps,
  { path, types = [], prefix, signal }: Followed,
  after: string,
  onConnected: () => void,
  attempt: number,
): AsyncGenerator<SentEvent, void, undefined> {
  const parameters = new URLSearchParams(prefix === undefined ? {} : { subjectPrefix: prefix });
  for (const type of types) parameters.append("type", type);
  parameters.set("lastEventId", after);
  return eventStream(
    deps,
    `${path}?${parameters}`,
    signal,
    onConnected,
    ({ id = "", data }): SentEvent => {
      const cursor = parseCursor(id);
      if (cursor === null) throw new UnreadableEventError(path, null);
      parseEvent(data, path, cursor.position);
      return { position: cursor.position, cursor: id, text: data };
    },
    planAttempt(deps, attempt, false),
  );
}

/** Follows a log and yields events as the server sent them; reconnects after a lost connection. */
export async function* followTexts(
  deps: RequestDeps,
  followed: Followed,
): AsyncGenerator<SentEvent, void, undefined> {
  const isOver = () => followed.signal?.aborted === true;
  let { after } = followed;
  let failures = 0;
  let wasConnected = false;
  const onConnected = () => {
    wasConnected = true;
    failures = 0;
  };
  while (!isOver()) {
    let failure: unknown = null;
    try {
      for await (const event of connection(deps, followed, after, onConnected, failures + 1)) {
        after = event.cursor;
        yield event;
      }
    } catch (error) {
      if (isOver()) return;
      // A server that never answered is a mistake in the address; a lost one will return.
      if (!wasConnected || !isPassing(error)) throw error;
      failure = error;
      deps.onRetry?.(error);
    }
    failures += 1;
    await deps.sleep(requestRetryMs(deps, failures, failure), followed.signal);
  }
}
