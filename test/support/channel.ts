import type { Port } from "../../src/storage/writer/thread-writes.ts";

/** Two ends of a channel, whose messages arrive in order but late. */
export function channel(): [Port, Port] {
  const end = () => {
    let receive: (message: unknown) => void = () => {};
    const listen = (receiver: typeof receive) => {
      receive = receiver;
    };
    return { listen, deliver: (message: unknown) => setTimeout(() => receive(structuredClone(message)), 1) };
  };
  const [here, there] = [end(), end()];
  return [
    { post: there.deliver, listen: here.listen },
    { post: here.deliver, listen: there.listen },
  ];
}
