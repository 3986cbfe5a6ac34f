import type { Context } from "hono";

import type { Principal } from "../../access/principal.ts";
import type { AppDeps } from "../deps.ts";
import { logHeaders } from "../log/log-identity.ts";
import { createStreamOutput, EVENT_STREAM_HEADERS, QUIET_BEATS } from "../log/stream-output.ts";
import { principalOf } from "../pipeline/authorization.ts";
import { isHead } from "../pipeline/routes.ts";
import { changeWatchOf } from "./change-watch.ts";
import type { StoreSnapshot } from "./snapshot.ts";
import { changesMessage, sightOf } from "./visible-changes.ts";

/** A request for a stream of changes. */
interface ObservingRequest {
  /** Aborts when its client is gone. */
  readonly gone: AbortSignal;
  readonly sender: Principal;
  /** Identity of the event log when it began. */
  readonly identity: string;
}

/** `GET /changes` */
export async function getChanges(c: Context, deps: AppDeps): Promise<Response> {
  // A store that cannot be read now refuses the request, and the observer learns why.
  const { identity } = await deps.reader.state();
  const headers = { ...EVENT_STREAM_HEADERS, ...logHeaders(identity) };
  if (isHead(c)) return c.body(null, 200, headers);
  return c.body(openStream({ gone: c.req.raw.signal, sender: principalOf(c), identity }, deps), 200, headers);
}

/**
 * Opens a stream of changes. It holds the snapshot that was sent last, which all streams share, and compares it with the present
 * one when the socket takes more: so a slow reader receives fewer messages, and misses nothing.
 */
function openStream({ gone, sender, identity }: ObservingRequest, deps: AppDeps): ReadableStream<Uint8Array> {
  const { followers, closing, answers } = deps;
  const sight = sightOf(deps, sender);
  let sent: StoreSnapshot | null = null;
  let present: StoreSnapshot | null = null;
  let asked = false;
  let quietBeats = 0;
  let ended = false;
  let stopObserving = () => {};

  const letGo = () => {
    ended = true;
    stopObserving();
    output.release();
    leave();
    gone.removeEventListener("abort", end);
  };
  const finish = (close: () => void) => {
    if (ended) return;
    letGo();
    close();
  };
  const end = () => finish(() => output.close());
  /** Disconnects a client that does not read. It connects again, and then receives every head. */
  const disconnect = () => finish(() => output.abort());
  const beat = () => {
    quietBeats += 1;
    if (quietBeats < QUIET_BEATS || output.isBehind()) return;
    quietBeats = 0;
    output.beat();
  };
  const offer = () => {
    if (!asked || present === null || present === sent) return;
    const message = changesMessage(sent, present, sight);
    sent = present;
    if (message === null) return;
    asked = false;
    quietBeats = 0;
    if (!output.send({ parts: [message.bytes], shared: message.shared })) disconnect();
  };

  // The client reconnects, and that request is refused.
  const leave = followers.enter({ end, refuse: () => end(), beat }, sender);
  const output = createStreamOutput(answers, disconnect);
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (controller) => output.start(controller),
      pull() {
        if (ended) return;
        output.taken();
        asked = true;
        offer();
      },
      cancel: letGo,
    },
    { highWaterMark: 0 },
  );
  gone.addEventListener("abort", end);
  const stop = changeWatchOf(deps).observe((snapshot) => {
    // Positions mean other events after a restore, and a store that cannot be read has no news: the client begins again.
    if (snapshot?.identity !== identity) return end();
    present = snapshot;
    offer();
  });
  stopObserving = stop;
  if (closing.aborted || gone.aborted) end();
  // The first snapshot may have ended the stream already.
  if (ended) stop();
  return stream;
}
