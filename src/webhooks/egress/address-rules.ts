import ipaddr from "ipaddr.js";

/** Which addresses Kilde may connect to. */
export interface AddressRules {
  /** Whether a connection to a name (or a literal address, as the URL parser writes it) may use an address. */
  permits(hostname: string, address: string): boolean;
  /** Whether a name is allowed at any address. */
  trusts(hostname: string): boolean;
}

/** In an allow-list: every address. */
export const ALLOW_ALL = "*";

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

/** The IPv6 range for global unicast (RFC 4291 §2.4, IANA). */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR("2000::/3");

const NAME = /^(?!.*\.\.)[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/;

/**
 * An address is public unless a registry lists it as special: those are internal (RFC 6890), or represent an IPv4
 * address (mapped, NAT64, 6to4, Teredo).
 */
function isPublic(address: Address): boolean {
  if (address.range() !== "unicast") return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
}

/** A name without the parts that do not distinguish names: case, and the dot of the root. */
function canonicalName(hostname: string): string {
  return hostname.toLowerCase().replace(/\.$/, "");
}

/** The address in a URL's host; null for a name. */
export function literalAddress(hostname: string): string | null {
  const bare = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(bare) ? bare : null;
}

function rangeOf(entry: string): Range | null {
  try {
    const range = entry.includes("/") ? ipaddr.parseCIDR(entry) : null;
    if (range !== null) return range;
    const address = ipaddr.parse(entry);
    return [address, address instanceof ipaddr.IPv4 ? 32 : 128];
  } catch {
    return null;
  }
}

/** IPv4 must have four parts, so that the list allows nothing that its author did not intend. */
function isWellWritten(entry: string): boolean {
  return entry.includes(":") || /^\d+\.\d+\.\d+\.\d+(\/\d+)?$/.test(entry);
}

/**
 * Creates rules from an allow-list. Public addresses are always permitted; `allow` adds addresses (`10.0.0.7`), ranges
 * (`10.0.0.0/8`, `fd00::/8`), host names (`hooks.internal`, at any address), or `*` for everything. Throws a TypeError
 * for an invalid entry.
 */
export function createAddressRules(allow: readonly string[]): AddressRules {
  const ranges: Range[] = [];
  const names = new Set<string>();
  for (const entry of allow) {
    if (entry === ALLOW_ALL) continue;
    const range = isWellWritten(entry) ? rangeOf(entry) : null;
    const name = canonicalName(entry);
    // A host that ends in a number is an address to the URL parser.
    if (range !== null) ranges.push(range);
    else if (NAME.test(name) && !/(^|\.)\d+$/.test(name)) names.add(name);
    else {
      throw new TypeError(
        `${JSON.stringify(entry)} is not an address, a range such as 10.0.0.0/8, a host name, or "${ALLOW_ALL}"`,
      );
    }
  }
  const allowsAll = allow.includes(ALLOW_ALL);
  const isListed = (address: Address) =>
    ranges.some(([base, bits]) => address.kind() === base.kind() && address.match(base, bits));
  const trusts = (hostname: string) => allowsAll || names.has(canonicalName(hostname));
  return {
    trusts,
    permits(hostname, address) {
      if (trusts(hostname)) return true;
      // An address with a scope (`%eth0`) is internal too, and does not parse here.
      if (!ipaddr.isValid(address)) return false;
      // A mapped address connects to the IPv4 address in it.
      const parsed = ipaddr.parse(address);
      return isPublic(parsed) || isListed(parsed) || isListed(ipaddr.process(address));
    },
  };
}
