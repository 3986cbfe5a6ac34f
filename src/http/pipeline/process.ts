import { KildeError } from "../../core/errors.ts";
import { storageError } from "../../storage/failures.ts";
import type { AppDeps } from "../deps.ts";
import { problemResponse } from "./problems.ts";
import { type AppHono, observedApp, type ObservedOptions, resourcesOf } from "./routes.ts";
import { getProblem, type Readiness, readiness } from "../service/service.ts";

/** A tenant, as the process tells of it. */
export interface TenantState {
  readonly name: string;
  /** Null: its database cannot be used yet. */
  readonly deps: AppDeps | null;
}

export interface ProcessOptions extends ObservedOptions {
  readonly version: string;
  /** All of them. */
  readonly tenants: () => readonly TenantState[];
  readonly closing: AbortSignal;
  readonly onFault: (error: unknown, requestId: string) => void;
}

type TenantReadiness = Readiness | { readonly status: "unavailable"; readonly detail: string };

async function readinessOf({ deps }: TenantState): Promise<TenantReadiness> {
  if (deps === null) return { status: "unavailable", detail: "Its database could not be opened yet" };
  try {
    return await readiness(deps);
  } catch (error) {
    return { status: "unavailable", detail: storageError(error).message };
  }
}

/**
 * `GET /ready` of a process with tenants. It is ready while one of them is: a balancer that took it out of service for
 * the sake of one database would take all others with it. Each tenant has a `/ready` of its own.
 */
async function getReadyOfAll(tenants: readonly TenantState[], closing: AbortSignal): Promise<Response> {
  if (closing.aborted) throw new KildeError("shutting-down", "The server is shutting down");
  const all = await Promise.all(
    tenants.map(async (tenant) => [tenant.name, await readinessOf(tenant)] as const),
  );
  if (all.every(([, { status }]) => status === "unavailable"))
    throw new KildeError("storage-unavailable", "No tenant's database can be written to");
  const isReady = all.every(([, { status }]) => status === "ready");
  const body = { status: isReady ? "ready" : "degraded", tenants: Object.fromEntries(all) };
  return Response.json(body, { headers: { "Cache-Control": "no-store" } });
}

/** What a process with tenants answers where no tenant is: how it is itself. */
function processApp(options: ProcessOptions): AppHono {
  const { version, tenants, closing, onFault } = options;
  const app = observedApp(options);
  app.onError((error, c) => {
    const known = error instanceof KildeError ? error : null;
    if (known === null) onFault(error, c.get("requestId"));
    const told = known ?? new KildeError("internal", `Request ${c.get("requestId")} failed`);
    return problemResponse(c.req.path, told, "");
  });
  app.notFound(({ req: { path } }) =>
    problemResponse(path, new KildeError("tenant-not-found", `No tenant is at ${path} of this host`), ""),
  );
  const resource = resourcesOf(app, "");
  resource("/health", { GET: (c) => c.json({ status: "ok", version }) });
  resource("/ready", { GET: () => getReadyOfAll(tenants(), closing) });
  resource("/metrics", {
    GET: async () => {
      const { metricsAnswer, metricsOf } = await import("../service/metrics.ts");
      const measured = tenants().map(({ name, deps }) => ({ labels: { tenant: name }, deps }));
      return metricsAnswer(await metricsOf(measured));
    },
  });
  resource("/problems/:code", { GET: getProblem });
  return app;
}

const OWN = /^\/(?:health|ready|metrics|problems\/[^/]*)$/;

/**
 * Answers what is no tenant's: how the process is, and else what the database does that serves the rest (null: there
 * is none).
 */
export function processFetch(
  options: ProcessOptions,
  rest: ((request: Request) => Response | Promise<Response>) | null,
): (request: Request) => Response | Promise<Response> {
  const app = processApp(options);
  return (request) =>
    rest === null || OWN.test(new URL(request.url).pathname) ? app.fetch(request) : rest(request);
}
