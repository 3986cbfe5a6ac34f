import { lookup } from "node:dns/promises";

/** The addresses of a name, of either family; rejects when it has none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** As programs of this machine resolve names, with its hosts file. */
export const resolveName: Resolve = async (hostname) => {
  const found = await lookup(hostname, { all: true });
  return found.map(({ address }) => address);
};
