import { lookup } from "node:dns/promises";

/** Resolves a name to its addresses, of either family; rejects when it has none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** Resolves names like other programs of this machine, including its hosts file. */
export const resolveName: Resolve = async (hostname) => {
  const found = await lookup(hostname, { all: true });
  return found.map(({ address }) => address);
};
