import type { Admission } from "../access/admission.ts";
import { groupBy } from "../core/group-by.ts";
import type { Context } from "hono";
import { compress } from "hono/compress";
import { cors } from "hono/cors";

import { createByteBudget } from "../core/byte-budget.ts";
import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import { createTimeSlices } from "../core/time-slices.ts";
import { corsPolicy } from "./pipeline/cross-site.ts";
import type { AppDeps } from "./deps.ts";
import { deprecation } from "./feeds/feeds.ts";
import { FEED_PATH } from "./feeds/operations.ts";
import { createCommittedEvents } from "./consumers/committed-events.ts";
import { createSentEvents } from "./log/sent-events.ts";
import { createFollowers } from "./log/followers.ts";
import { LOG_HEADER } from "./log/log-identity.ts";
import { END_HEADER } from "./log/page-response.ts";
import { type ParseLarge, parseLargeHere } from "./wire/parsing.ts";
import { POSITION_HEADER } from "./log/position.ts";
import { authorizeOperation, knownError, senderOf } from "./pipeline/authorization.ts";
import { noteDenial } from "./pipeline/denials.ts";
import { failureResponse } from "./pipeline/failures.ts";
import type { Observers, RequestContext } from "./pipeline/pipeline.ts";
import { problemResponse } from "./pipeline/problems.ts";
import { REQUEST_ID_HEADER } from "./pipeline/request-id.ts";
import { type AppHono, createRouter, resourcesOf } from "./pipeline/routes.ts";
import { type OperationMethod, routePath } from "./operation.ts";
import { ROUTES } from "./operations.ts";
import { createSchemas, type RequestSchemas } from "./openapi/schemas.ts";
import { redirectBrowsers } from "./service/redirect-browsers.ts";
import type { SenderRates } from "./pipeline/sender-limits.ts";
import type { SubscriptionDeps } from "./subscriptions/deps.ts";

export interface AppOptions
  extends
    Omit<
      AppDeps,
      | "schemas"
      | "followers"
      | "sent"
      | "committed"
      | "process"
      | "loadMeasured"
      | "newestBackup"
      | keyof Budgets
      | "parseLarge"
      | "basePath"
      | "compress"
      | "openSubscriptions"
    >,
    Observers {
  /** Bounds bytes together with other stores of the process. Default: this store's own. */
  readonly budgets?: Budgets;
  /** Default: the process is not measured. */
  readonly process?: AppDeps["process"];
  /** Default: nothing is measured. */
  readonly loadMeasured?: AppDeps["loadMeasured"];
  /** Default: no backup is known. */
  readonly newestBackup?: AppDeps["newestBackup"];
  /** Reads large bodies. Default: in this thread. */
  readonly parseLarge?: ParseLarge;
  /** The address that a request came from; null: unknown. Default: of no request. */
  readonly addressOf?: (request: Request) => string | null;
  /** Counts the requests of senders. Default: this store's own. */
  readonly senders?: SenderRates;
  /** Whether the store needs credentials now. Default: from its first key on. */
  readonly admission?: () => Admission;
  /** Path that the store is served under. Default: the root. */
  readonly basePath?: string;
  /** Origins whose pages may call; `*` lets the pages of every origin read. Empty: no CORS headers. */
  readonly corsOrigins: readonly string[];
  /**
   * Whether large answers are compressed here. False where the platform does it: Cloudflare compresses the body again when the
   * answer has a `Content-Encoding`. Default: true.
   */
  readonly compress?: boolean;
  /** Whether the router answers a single request, and so is not optimized for many. Default: false. */
  readonly brief?: boolean;
}

const EXPOSED_HEADERS = [
  "ETag",
  "Deprecation",
  "Link",
  "Location",
  "Retry-After",
  "Sunset",
  "Kilde-Head",
  END_HEADER,
  LOG_HEADER,
  POSITION_HEADER,
  REQUEST_ID_HEADER,
  "WWW-Authenticate",
  "Idempotency-Replayed",
];

/** The order of methods in the header `Allow`. */
const METHODS: readonly OperationMethod[] = ["get", "post", "put", "patch", "delete"];

/** The routes of each path, as the router writes it. */
const ROUTES_BY_PATH = groupBy(
  ROUTES.toSorted((one, other) => METHODS.indexOf(one.method) - METHODS.indexOf(other.method)),
  routePath,
);

/** Paths whose answers may be large. Compressing the others would cost more than it saves. */
const COMPRESSED_PATHS = ROUTES.filter(({ compresses }) => compresses).map(routePath);

/** Bounds on the memory that requests and answers hold in a process. */
export type Budgets = Pick<AppDeps, "bodies" | "answers" | "parseSlices">;

export function createBudgets(limits: Limits, clock: Clock, closing: AbortSignal): Budgets {
  const { bodiesBytes, bodyTimeoutMs, answersBytes, answerTimeoutMs } = limits;
  return {
    bodies: createByteBudget({ clock, closing, mostBytes: bodiesBytes, stillMs: bodyTimeoutMs }),
    answers: createByteBudget({ clock, closing, mostBytes: answersBytes, stillMs: answerTimeoutMs }),
    parseSlices: createTimeSlices(clock),
  };
}

/**
 * Creates the dependencies of the routes. `schemas` reuses schemas with the same limits: creating them takes most of
 * the time.
 */
export function createDeps(
  { limits, ...options }: AppOptions,
  schemas: RequestSchemas = createSchemas(limits),
): AppDeps {
  const { basePath = "", compress: compresses = true, clock, closing } = options;
  const followers = createFollowers({
    clock,
    closing,
    most: limits.followers,
    access: options.access,
    isOpen: () => admissionOf(options) === "open",
  });
  const budgets = options.budgets ?? createBudgets(limits, clock, closing);
  const { parseLarge = parseLargeHere({ limits, schemas }, clock) } = options;
  const shared = { ...budgets, parseLarge };
  let subscriptions: Promise<SubscriptionDeps> | null = null;
  const openSubscriptions = () => {
    subscriptions ??= import("./subscriptions/deps.ts").then((module) => module.openSubscriptionDeps(deps));
    return subscriptions;
  };
  const { measures } = options;
  const measured = { sent: createSentEvents(measures), committed: createCommittedEvents(measures) };
  const { process = null, loadMeasured = null, newestBackup = () => Promise.resolve(null) } = options;
  const own = {
    process,
    loadMeasured,
    newestBackup,
    basePath,
    compress: compresses,
    limits,
    schemas,
    followers,
    ...measured,
    openSubscriptions,
  };
  const deps: AppDeps = { ...options, ...shared, ...own };
  return deps;
}

/** Whether the store needs credentials now. */
export function admissionOf({ access, admission }: Pick<AppOptions, "access" | "admission">): Admission {
  return admission?.() ?? (access.isSecured() ? "closed" : "open");
}

/** The router of a store. */
export function createApp(options: AppOptions, deps = createDeps(options)): AppHono {
  const { corsOrigins } = options;
  const { basePath } = deps;
  const app = createRouter(options.brief);
  if (corsOrigins.length > 0) {
    app.use(cors({ ...corsPolicy(corsOrigins), exposeHeaders: EXPOSED_HEADERS }));
  }
  if (deps.compress) {
    const compressed = compress();
    for (const path of COMPRESSED_PATHS) app.get(path, compressed);
  }

  app.use(`${routePath({ path: FEED_PATH })}/*`, deprecation(deps));
  // Ahead of the route, which would refuse a browser that has not signed in.
  if (deps.consoleFiles !== null) app.get("/", redirectBrowsers(basePath));

  app.onError((error, { req: { path }, env }) => {
    noteDenial(error, env, deps);
    const { requestId } = env;
    const response = failureResponse(error, { requestId, path, basePath, onFault: options.onFault });
    // Compression would remove the header.
    env.bytes = Number(response.headers.get("content-length"));
    return response;
  });
  // Returned, not thrown: where no route matches, Hono drops the headers of CORS with an error.
  app.notFound((c) => {
    const { path } = c.req;
    const missing = new KildeError("not-found", `There is nothing at ${basePath}${path}`);
    return problemResponse(path, knownError(senderOf(c)) ?? missing, basePath);
  });

  const resource = resourcesOf(app, basePath);
  for (const [path, routes] of ROUTES_BY_PATH) {
    const methods = routes
      .filter(({ isServed }) => isServed?.(deps) !== false)
      .map(({ method, path: route, access, handle }) => [
        method.toUpperCase(),
        (c: Context<{ Bindings: RequestContext }>) => {
          c.env.route = route;
          authorizeOperation(c, access, deps);
          return handle(c, deps);
        },
      ]);
    if (methods.length > 0) resource(path, Object.fromEntries(methods));
  }
  return app;
}
