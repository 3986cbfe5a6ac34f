import type { Context } from "hono";

import { KildeError } from "../../core/errors.ts";
import { storageError } from "../../storage/failures.ts";
import type { AppDeps } from "../deps.ts";
import { covers, needOf } from "../../access/need.ts";
import type { Clock } from "../../core/clock.ts";
import type { Authenticate } from "./authentication.ts";
import { authorize, knownError, principalOf, requireKnown, senderOf } from "./authorization.ts";
import { createSenderRates, limitSenders } from "./sender-limits.ts";
import { failureResponse } from "./failures.ts";
import type { Destination, Observers } from "./pipeline.ts";
import { type AppHono, createRouter, resourcesOf } from "./routes.ts";
import { getProblem, type Readiness, readiness } from "../service/service.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

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
  readonly clock: Pick<Clock, "monotonic">;
  /** The address that a request came from; null: unknown. */
  readonly addressOf: (request: Request) => string | null;
  readonly authenticate: Authenticate;
}

const READS_METRICS = needOf("read", "/metrics");

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
async function getReadyOfAll(
  c: Context,
  tenants: readonly TenantState[],
  closing: AbortSignal,
): Promise<Response> {
  const { refusal } = senderOf(c);
  if (refusal?.code === "store-not-secured") throw refusal;
  if (closing.aborted) throw new KildeError("shutting-down", "The server is shutting down");
  const all = await Promise.all(
    tenants.map(async (tenant) => [tenant.name, await readinessOf(tenant)] as const),
  );
  if (all.every(([, { status }]) => status === "unavailable"))
    throw new KildeError("storage-unavailable", "No tenant's database can be written to");
  const isReady = all.every(([, { status }]) => status === "ready");
  const status = isReady ? "ready" : "degraded";
  const showsTenants = covers(principalOf(c).grants, READS_METRICS);
  const body = showsTenants ? { status, tenants: Object.fromEntries(all) } : { status };
  return jsonAnswer(c, body, 200, { "Cache-Control": "no-store" });
}

/** Routes of the process itself, for the requests that match no tenant. */
function processRouter({ version, tenants, closing, onFault }: ProcessOptions): AppHono {
  const app = createRouter();
  app.onError((error, { req: { path }, env: { requestId } }) =>
    failureResponse(error, { requestId, path, basePath: "", onFault }),
  );
  app.notFound((c) => {
    // Others do not learn which tenants there are.
    throw (
      knownError(senderOf(c)) ??
      new KildeError("tenant-not-found", `No tenant is at ${c.req.path} of this host`)
    );
  });
  const resource = resourcesOf(app, "");
  resource("/health", { GET: (c) => jsonAnswer(c, { status: "ok", version }) });
  resource("/ready", { GET: (c) => getReadyOfAll(c, tenants(), closing) });
  resource("/metrics", {
    GET: async (c) => {
      authorize(senderOf(c), READS_METRICS);
      const { metricsAnswer, metricsOf } = await import("../service/metrics.ts");
      const measured = tenants().map(({ name, deps }) => ({ labels: { tenant: name }, deps }));
      return metricsAnswer(c, await metricsOf(measured));
    },
  });
  resource("/problems/:code", {
    GET: (c) => {
      requireKnown(senderOf(c));
      return getProblem(c);
    },
  });
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
    ...(options.onAnswer === undefined ? {} : { onAnswer: options.onAnswer }),
    authenticate: limitSenders(options.authenticate, {
      rates: createSenderRates(0),
      clock: options.clock,
      addressOf: options.addressOf,
    }),
    answer: (request, context) => router.fetch(request, context),
  };
}
