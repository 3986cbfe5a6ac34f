/** The variables by which `fetch` finds a proxy. */
const VARIABLES = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];

/** Whether the environment names a proxy for outgoing requests. */
export function hasOutgoingProxy(): boolean {
  return VARIABLES.some((name) => (process.env[name] ?? "") !== "");
}
