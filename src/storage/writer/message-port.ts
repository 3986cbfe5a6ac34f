import type { Port } from "./thread-writes.ts";

/** A port of a channel between two threads, as the log's code uses it. */
export function portOf(channel: MessagePort): Port {
  return {
    post: (message) => channel.postMessage(message),
    listen(receive) {
      channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => receive(data));
      channel.start();
    },
  };
}
