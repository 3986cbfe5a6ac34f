import { literalAddress } from "./address-rules.ts";
import { EgressFailure } from "./outgoing.ts";

/** Where a URL leads. */
export interface EndpointDestination extends Pick<URL, "origin" | "protocol" | "hostname" | "host" | "port"> {
  /** Whether the host is a name, and not an address. */
  readonly isName: boolean;
  /** The same URL, with an address in place of the name. */
  pinned(address: string): string;
}

/** Destinations that are kept: more than a process usually delivers to. */
const MOST_KEPT = 1_000;

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (error) {
    throw new EgressFailure("address-refused", { cause: error });
  }
}

/** Rejects the URLs that `checkEndpoint` rejects, whatever their source. */
function destinationOf(text: string): EndpointDestination {
  const { origin, protocol, hostname, host, port, username, password, pathname, search } = parseUrl(text);
  const isWeb = protocol === "http:" || protocol === "https:";
  if (!isWeb || username !== "" || password !== "") throw new EgressFailure("address-refused");
  const rest = `${port === "" ? "" : `:${port}`}${pathname}${search}`;
  return {
    origin,
    protocol,
    hostname,
    host,
    port,
    isName: literalAddress(hostname) === null,
    pinned: (address) => `${protocol}//${address.includes(":") ? `[${address}]` : address}${rest}`,
  };
}

/**
 * Creates the function that finds the destination of a URL. It keeps what it found: an endpoint gets many requests, and
 * parsing its URL takes longer than signing one. It throws an EgressFailure for a URL that no request may use.
 */
export function createDestinations(): (url: string) => EndpointDestination {
  const kept = new Map<string, EndpointDestination>();
  return (url) => {
    const found = kept.get(url);
    if (found !== undefined) return found;
    const destination = destinationOf(url);
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(url, destination);
    return destination;
  };
}
