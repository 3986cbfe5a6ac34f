import type { Settings } from "../../config/settings.ts";
import { KildeError } from "../../core/errors.ts";
import { tenantChooser } from "../../http/pipeline/tenants.ts";

/** What this machine is called by itself (RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3), and perhaps a port. */
const LOCAL = /^(?:(?:[^/?#:@]+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d*)?$/i;
const PORT = /:\d*$/;

/** The error for a request to a host that is not this machine. */
export function misdirected(host: string): KildeError {
  return new KildeError(
    "misdirected-request",
    `The request is for ${host}, which is no name of this machine`,
  );
}

/**
 * Refuses requests that name another host than this machine or a tenant's, unless a proxy checks who calls. Without
 * one Kilde relies on that only this machine reaches a loopback address: but a browser on it calls that address for any
 * page whose own name resolves to it (DNS rebinding), and then names the page's host. It is read from the header: there
 * are names that a browser takes and a URL does not.
 */
export function createHostGuard({
  behindProxy,
  tenants,
}: Pick<Settings, "behindProxy" | "tenants">): (request: Request) => KildeError | null {
  if (behindProxy) return () => null;
  const tenantAt = tenantChooser(tenants);
  return (request) => {
    // HTTP/1.0 allows none, and no browser leaves it out.
    const host = request.headers.get("host") ?? "";
    if (host === "" || LOCAL.test(host)) return null;
    const hostname = host.replace(PORT, "").toLowerCase();
    return tenantAt({ hostname, pathname: "/" }) === null ? misdirected(host) : null;
  };
}
