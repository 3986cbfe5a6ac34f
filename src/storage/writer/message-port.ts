import type { Port } from "./thread-writes.ts";

/** Adapts one end of a channel between two threads. */
export function portOf(channel: MessagePort): Port {
  return {
    post: (message) => channel.postMessage(message),
    listen(receive) {
      channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => receive(data));
      channel.start();
    },
  };
}
