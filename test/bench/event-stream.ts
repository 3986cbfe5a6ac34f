import type { OnDelivery } from "./contender.ts";
import { numberIn } from "./workload.ts";

/** Connections that are opened at the same time; more would overrun the listening socket's backlog. */
const OPENED_AT_ONCE = 100;

/** Which event this is, from its `data` line. */
type NumberOf = (line: string) => number;

interface Follower {
  readonly index: number;
  readonly decoder: TextDecoder;
  /** An event that has begun. */
  text: string;
  onOpen: (() => void) | null;
  onGone: (error: Error) => void;
  readonly numberOf: NumberOf;
}

/** An event is in one chunk of the transfer coding, so that its `data` line is whole once the line has ended. */
function takeEvents(follower: Follower, bytes: Buffer, onDelivery: OnDelivery): void {
  const lines = (follower.text + follower.decoder.decode(bytes, { stream: true })).split("\n");
  follower.text = lines.pop() ?? "";
  for (const line of lines) {
    if (line.startsWith("data: ")) onDelivery(follower.index, follower.numberOf(line));
  }
}

async function openFollower(
  port: number,
  request: Uint8Array,
  index: number,
  onDelivery: OnDelivery,
  numberOf: NumberOf,
) {
  const opened = Promise.withResolvers<void>();
  const socket = await Bun.connect<Follower>({
    hostname: "127.0.0.1",
    port,
    data: {
      index,
      decoder: new TextDecoder(),
      text: "",
      onOpen: opened.resolve,
      onGone: opened.reject,
      numberOf,
    },
    socket: {
      open(self) {
        self.write(request);
      },
      data({ data: follower }, bytes) {
        follower.onOpen?.();
        follower.onOpen = null;
        takeEvents(follower, bytes, onDelivery);
      },
      close({ data: follower }) {
        follower.onGone(new Error("the server closed an event stream"));
      },
    },
  });
  await opened.promise;
  socket.data.onGone = (error) => {
    throw error;
  };
  return socket;
}

/** Connects followers of server-sent events on raw sockets (`fetch` allows 256 at a time). Returns the function that closes them. */
export async function openFollowers(
  port: number,
  request: Uint8Array,
  count: number,
  onDelivery: OnDelivery,
  numberOf: NumberOf = numberIn,
): Promise<() => void> {
  const sockets: Bun.Socket<Follower>[] = [];
  while (sockets.length < count) {
    const first = sockets.length;
    const some = Array.from({ length: Math.min(OPENED_AT_ONCE, count - first) }, (_, offset) =>
      openFollower(port, request, first + offset, onDelivery, numberOf),
    );
    sockets.push(...(await Promise.all(some)));
  }
  return () => {
    for (const socket of sockets) {
      socket.data.onGone = () => {};
      socket.end();
    }
  };
}
