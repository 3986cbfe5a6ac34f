/** A host name, an IPv4 address or an IPv6 address in brackets, with an optional port (RFC 9110 §7.2). */
const HOST = /^(?:[a-z0-9_][a-z0-9_.-]*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/**
 * Whether every reader takes a Host header for the same host: it must equal the host that a URL parser derives from
 * it.
 */
function isHost(host: string): boolean {
  if (!HOST.test(host)) return false;
  const url = URL.parse(`http://${host}`);
  if (url === null) return false;
  // `127.1` and `0x7f.1` parse as 127.0.0.1.
  return url.hostname.startsWith("[") || host.toLowerCase().startsWith(url.hostname);
}

/** Creates a check of Host headers. An empty one is well-formed, since HTTP/1.0 has none. */
export function createHostCheck(): (host: string) => boolean {
  // Cached: nearly all requests name the same host as the one before.
  let known = "";
  return (host) => {
    if (host === known) return true;
    if (host !== "" && !isHost(host)) return false;
    known = host;
    return true;
  };
}
