import type { Port } from "../../src/storage/writer/thread-writes.ts";

let posted: (() => void)[] = [];

/** Delivers all messages posted meanwhile in one turn of the event loop, so that a busy machine pulls no messages apart. */
function deliverLater(deliver: () => void): void {
  posted.push(deliver);
  if (posted.length > 1) return;
  setTimeout(() => {
    const due = posted;
    posted = [];
    for (const each of due) each();
  }, 1);
}

/** Two ends of a channel, whose messages arrive in order but late. */
export function channel(): [Port, Port] {
  const end = () => {
    let receive: (message: unknown) => void = () => {};
    const listen = (receiver: typeof receive) => {
      receive = receiver;
    };
    const deliver = (message: unknown) => deliverLater(() => receive(structuredClone(message)));
    return { listen, deliver };
  };
  const [here, there] = [end(), end()];
  return [
    { post: there.deliver, listen: here.listen },
    { post: here.deliver, listen: there.listen },
  ];
}
