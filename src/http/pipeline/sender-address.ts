const IPV4_IN_IPV6 = /^::ffff:(?=\d+\.)/i;
const PORT_OF_IPV4 = /^(\d+(?:\.\d+){3}):\d+$/;
const BRACKETED = /^\[([^\]]+)\](?::\d+)?$/;

/** Longest text that is taken for an address: the text comes from a client if no proxy is in front. */
const MOST_CHARACTERS = 64;

/** The network of a customer (RFC 6177): one sender has all of its addresses. */
function network64(address: string): string {
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - last.length);
  const all = [...groups, ...Array<string>(zeros).fill("0"), ...last];
  const short = all.slice(0, 4).map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""));
  return `${short.join(":")}::/64`;
}

/** Returns the sender that an address belongs to: an IPv4 address, or the /64 network of an IPv6 address. */
export function addressKey(text: string): string {
  const written = text.trim().slice(0, MOST_CHARACTERS);
  const bare = BRACKETED.exec(written)?.[1] ?? PORT_OF_IPV4.exec(written)?.[1] ?? written;
  const address = bare.replace(IPV4_IN_IPV6, "").replace(/%.*$/, "");
  return address.includes(":") ? network64(address) : address;
}

/** The last element of a list: proxies append the address that called them. */
function lastOf(list: string): string {
  return list.slice(list.lastIndexOf(",") + 1).trim();
}

/**
 * Returns the address that the proxy in front was called from: the last of `X-Forwarded-For`, or of `Forwarded` (RFC 7239);
 * a client may have written the ones before. Null: the request names none.
 */
export function forwardedAddress({ headers }: Pick<Request, "headers">): string | null {
  const list = headers.get("x-forwarded-for");
  if (list !== null && lastOf(list) !== "") return lastOf(list);
  const forwarded = headers.get("forwarded");
  const found = forwarded === null ? null : /(?:^|;)\s*for="?([^";,]+)"?/i.exec(lastOf(forwarded));
  return found?.[1] ?? null;
}
