import type { Histogram, Measures } from "../../core/measures.ts";
import type { OnAnswer } from "./pipeline.ts";

/** Methods of HTTP. Any other shares one label, since clients may invent them. */
export const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "CONNECT",
]);

/** The label of requests that no route answers. */
const NO_ROUTE = "none";

/** Statuses of requests that were denied because of their sender. */
const DENIED = [401, 403, 429] as const;

/** Measures the requests for a store. */
export function measureRequests(measures: Measures): OnAnswer {
  const routes = new Map<string, Map<string, Map<number, Histogram>>>();
  const denied = new Map<number, ReturnType<Measures["counter"]>>(
    DENIED.map((status) => [status, measures.counter("denied_requests_total", { status: String(status) })]),
  );

  const start = (route: string, method: string, status: number): Histogram => {
    const methods = routes.get(route) ?? new Map<string, Map<number, Histogram>>();
    routes.set(route, methods);
    const statuses = methods.get(method) ?? new Map<number, Histogram>();
    methods.set(method, statuses);
    const labels = { method, route, status: String(status) };
    const started = measures.histogram("http_request_duration_seconds", labels);
    statuses.set(status, started);
    return started;
  };

  const find = (route: string, asked: string, status: number): Histogram => {
    const method = METHODS.has(asked) ? asked : "other";
    return routes.get(route)?.get(method)?.get(status) ?? start(route, method, status);
  };
  /** The series of the last request, which is often that of the next as well. */
  let last = { route: "", method: "", status: 0, histogram: null as Histogram | null };

  return ({ method }, matched, status, seconds) => {
    const route = matched ?? NO_ROUTE;
    if (last.histogram === null || route !== last.route || method !== last.method || status !== last.status)
      last = { route, method, status, histogram: find(route, method, status) };
    last.histogram?.observe(seconds);
    if (status >= 400) denied.get(status)?.add(1);
  };
}
