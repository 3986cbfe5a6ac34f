import type { Settings } from "../config/settings.ts";
import { KildeError } from "../core/errors.ts";
import type { ObservedOptions } from "../http/resource.ts";
import { refuse } from "../http/tenants.ts";

/** URLs of this machine, as it is called by itself (RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
const LOCAL_URL =
  /^https?:\/\/(?:(?:[^/?#:@]+\.)?localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?(?:[/?#]|$)/i;

type Fetch = (request: Request) => Response | Promise<Response>;

/**
 * Refuses requests that name another host than this machine or a tenant's, unless a proxy checks who calls. Without
 * one Kilde relies on that only this machine reaches a loopback address: but a browser on it calls that address for any
 * page whose own name resolves to it (DNS rebinding), and then names the page's host.
 */
export function guardHost(
  { behindProxy, tenants }: Pick<Settings, "behindProxy" | "tenants">,
  observed: ObservedOptions,
  fetch: Fetch,
): Fetch {
  if (behindProxy) return fetch;
  const named = new Set(tenants.flatMap(({ host }) => host?.toLowerCase() ?? []));
  return (request) => {
    const { url } = request;
    if (LOCAL_URL.test(url)) return fetch(request);
    const host = URL.parse(url)?.hostname ?? "";
    if (named.has(host.endsWith(".") ? host.slice(0, -1) : host)) return fetch(request);
    const detail = `The request is for ${host}, which is no name of this machine`;
    return refuse(observed, request, new KildeError("misdirected-request", detail), "");
  };
}
