import { KildeError } from "../../core/errors.ts";
import { storageError } from "../../storage/failures.ts";
import type { AppDeps } from "../deps.ts";
import { admitEveryone } from "./authentication.ts";
import { failureResponse } from "./failures.ts";
import type { Destination, Observers } from "./pipeline.ts";
import { type AppHono, createRouter, resourcesOf } from "./routes.ts";
import { getProblem, type Readiness, readiness } from "../service/service.ts";

/** A tenant, as the process reports it. */
export interface TenantState {
  readonly name: string;
  /** Null: its database cannot be used yet. */
  readonly deps: AppDeps | null;
}

export interface ProcessOptions extends Observers {
  readonly version: string;
  /** All of them. */
  readonly tenants: () => readonly TenantState[];
  readonly closing: AbortSignal;
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
 * `GET /ready` of a process with tenants. The process is ready while one tenant is: a load balancer that removed it
 * because of one database would remove all other tenants too. Each tenant has a `/ready` of its own.
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

/** Routes of the process itself, for the requests that match no tenant. */
function processRouter({ version, tenants, closing, onFault }: ProcessOptions): AppHono {
  const app = createRouter();
  app.onError((error, { req: { path }, env: { requestId } }) =>
    failureResponse(error, { requestId, path, basePath: "", onFault }),
  );
  app.notFound(({ req: { path } }) => {
    throw new KildeError("tenant-not-found", `No tenant is at ${path} of this host`);
  });
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

/** Paths that a process with tenants answers, even if a database serves all other paths. */
export const PROCESS_PATH = /^\/(?:health|ready|metrics|problems\/[^/]*)$/;

/** Answers the requests that concern the process and not one store. */
export function processDestination(options: ProcessOptions): Destination {
  const router = processRouter(options);
  return {
    basePath: "",
    corsOrigins: [],
    onAccess: options.onAccess,
    onFault: options.onFault,
    authenticate: admitEveryone,
    answer: (request, context) => router.fetch(request, context),
  };
}
