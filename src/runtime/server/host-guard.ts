import { isLoopbackHost } from "../../config/loopback.ts";
import type { Settings } from "../../config/settings.ts";
import { KildeError } from "../../core/errors.ts";
import { tenantChooser } from "../../http/pipeline/tenants.ts";

/**
 * The names and addresses of this machine for itself (RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3), with an
 * optional port.
 */
const LOCAL = /^(?:(?:[^/?#:@]+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d*)?$/i;
const PORT = /:\d*$/;

/** Returns the error for a request to a host that is not this machine. */
export function misdirected(host: string): KildeError {
  return new KildeError(
    "misdirected-request",
    `The request is for ${host}, which is no name of this machine`,
  );
}

/**
 * Refuses requests at a loopback address that name another host than this machine or a tenant's, unless a proxy is in
 * front. An open store relies on a loopback address being reachable from this machine alone. But a browser on the
 * machine calls that address for any page whose own name resolves to it (DNS rebinding), and then sends the page's
 * host. The guard reads the header, since browsers accept names that a URL does not.
 */
export function createHostGuard({
  host: listensOn,
  behindProxy,
  tenants,
}: Pick<Settings, "host" | "behindProxy" | "tenants">): (request: Request) => KildeError | null {
  if (behindProxy || !isLoopbackHost(listensOn)) return () => null;
  const tenantAt = tenantChooser(tenants);
  return (request) => {
    // HTTP/1.0 allows a request without `Host`; every browser sends one.
    const host = request.headers.get("host") ?? "";
    if (host === "" || LOCAL.test(host)) return null;
    const hostname = host.replace(PORT, "").toLowerCase();
    return tenantAt({ hostname, pathname: "/" }) === null ? misdirected(host) : null;
  };
}
