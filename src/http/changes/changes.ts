import type { Context } from "hono";

import type { AppDeps } from "../deps.ts";
import { logHeaders } from "../log/log-identity.ts";
import { serveStream, streamRequest, type StreamRequest } from "../log/served-stream.ts";
import { EVENT_STREAM_HEADERS } from "../log/stream-output.ts";
import { isHead } from "../pipeline/routes.ts";
import { changeWatchOf } from "./change-watch.ts";
import type { StoreSnapshot } from "./snapshot.ts";
import { changesMessage, sightOf } from "./visible-changes.ts";

/** `GET /changes` */
export async function getChanges(c: Context, deps: AppDeps): Promise<Response> {
  // A store that cannot be read now refuses the request, and the observer learns why.
  const { identity } = await deps.reader.state();
  const headers = { ...EVENT_STREAM_HEADERS, ...logHeaders(identity) };
  if (isHead(c)) return c.body(null, 200, headers);
  return c.body(openStream(streamRequest(c), identity, deps), 200, headers);
}

/**
 * Opens a stream of changes. It holds the snapshot that was sent last, which all streams share, and compares it with the present
 * one when the socket takes more: so a slow reader receives fewer messages, and misses nothing.
 *
 * @param identity Identity of the event log when the request began.
 */
function openStream(request: StreamRequest, identity: string, deps: AppDeps): ReadableStream<Uint8Array> {
  const sight = sightOf(deps, request.sender);
  let sent: StoreSnapshot | null = null;
  let present: StoreSnapshot | null = null;
  let asked = false;
  return serveStream(request, deps, (stream) => {
    const offer = () => {
      if (!asked || present === null || present === sent) return;
      const message = changesMessage(sent, present, sight);
      sent = present;
      if (message === null) return;
      asked = false;
      // A client that does not read is disconnected. It connects again, and then receives every head.
      stream.send({ parts: [message.bytes], shared: message.shared });
    };
    const stop = changeWatchOf(deps).observe((snapshot) => {
      // Positions mean other events after a restore, and a store that cannot be read has no news: the client begins again.
      if (snapshot?.identity !== identity) return stream.end();
      present = snapshot;
      offer();
    });
    return {
      ask() {
        asked = true;
        offer();
      },
      beat: () => {},
      stop,
    };
  });
}
