import type { RouteConfig } from "@hono/zod-openapi";
import type { Context } from "hono";

import type { OwnPath } from "../core/own-paths.ts";
import type { AppDeps } from "./deps.ts";
import type { OpenApiParts } from "./openapi/parts.ts";
import type { OperationAccess } from "./pipeline/authorization.ts";

export type OperationMethod = "get" | "post" | "put" | "patch" | "delete";

/** A method of a path that Kilde serves, defined once: the router, the index and the reference derive from it. */
export interface Route {
  readonly method: OperationMethod;
  /** In OpenAPI's form, with `{name}` for a parameter. */
  readonly path: OwnPath;
  /** The effect of a request, in a few words. */
  readonly summary: string;
  /** Name of the path in the index of the API. */
  readonly link?: string;
  /** Whether the router compresses the answer, which may be large. Pages of events compress their own bodies. */
  readonly compresses?: true;
  /** Whether a store has the route. Default: every store has it. */
  readonly isServed?: (deps: Pick<AppDeps, "docs" | "consoleFiles">) => boolean;
  readonly access: OperationAccess;
  /** Called for senders that have `access`. */
  readonly handle: (c: Context, deps: AppDeps) => Response | Promise<Response>;
}

/** A route of the HTTP API, which `/openapi.json` describes too. */
export interface Operation extends Route {
  /** `operationId` in `/openapi.json`, unique. */
  readonly id: string;
  readonly tag: Tag;
  readonly description?: string;
  /** Whether the log of administration records the request, with the reason that it states. */
  readonly isRecorded?: true;
  /**
   * Parameters, body and responses, from the schemas that validate. A function, because the schemas of answers take long
   * to create and only `/openapi.json` needs them.
   */
  readonly describe: (parts: OpenApiParts) => Pick<RouteConfig, "request" | "responses">;
}

/** Groups of operations, in the order of the documentation. */
export const TAGS = {
  Append: "Store events in streams",
  "Read and follow": "Read the event log and its streams, page by page or as they grow",
  Streams: "List streams, and remove their events",
  Consumers: "The consumers of a log, their positions and how far they are behind",
  Feeds: "Versioned integration events that are projected from the event log",
  Webhooks: "Subscriptions that deliver a log to an HTTP endpoint",
  Administration: "The log of administration: who changed what, and alarms",
  Sessions: "Identify the sender, and let browsers send a cookie in place of a key",
  Keys: "API keys: the credentials of services and people",
  Service: "The state of the server and the descriptions of its API",
} as const;

type Tag = keyof typeof TAGS;

/** Returns the path in the router's form. The version of a feed is a segment such as `v2`. */
export function routePath({ path }: Pick<Route, "path">): string {
  return path.replace("/v{version}", "/:version{v[0-9]+}").replaceAll(/\{(\w+)\}/g, ":$1");
}
