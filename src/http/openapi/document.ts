import { OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";

import type { AppDeps } from "../deps.ts";
import { type Operation, TAGS } from "../operation.ts";
import { describedAccess, SECURITY_SCHEMES } from "./security.ts";
import { reasonHeader } from "./common.ts";
import { openApiParts } from "./parts.ts";

/**
 * States every union as `oneOf`. The alternatives of Kilde's unions exclude each other, and generators of clients
 * support `oneOf` better than the `anyOf` of the schemas.
 */
function withExclusiveUnions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withExclusiveUnions);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key === "anyOf" ? "oneOf" : key,
      withExclusiveUnions(member),
    ]),
  );
}

/** Adds the header with the reason to a request. */
function withReason(request: RouteConfig["request"]): RouteConfig["request"] {
  const headers = request?.headers;
  return {
    ...request,
    headers: headers instanceof z.ZodObject ? headers.extend(reasonHeader.shape) : reasonHeader,
  };
}

/** Describes operations in OpenAPI 3.1. */
export function openApiDocument(
  operations: readonly Operation[],
  { schemas, limits, basePath, version }: Pick<AppDeps, "schemas" | "limits" | "basePath" | "version">,
): unknown {
  const parts = openApiParts(schemas, limits);
  const document = new OpenAPIHono();
  for (const [name, scheme] of Object.entries(SECURITY_SCHEMES))
    document.openAPIRegistry.registerComponent("securitySchemes", name, scheme);
  for (const { id, method, path, tag, summary, access, describe, ...operation } of operations) {
    const { security, description, refusals } = describedAccess(access, operation.description);
    const { responses, request: stated } = describe(parts);
    const request = operation.isRecorded === true ? withReason(stated) : stated;
    const route: RouteConfig = {
      operationId: id,
      method,
      path,
      tags: [tag],
      summary,
      description,
      security,
      ...(request === undefined ? {} : { request }),
      responses: { ...refusals, ...responses },
    };
    document.openAPIRegistry.registerPath(route);
  }
  const described = document.getOpenAPI31Document({
    openapi: "3.1.0",
    servers: [{ url: basePath === "" ? "/" : basePath }],
    info: {
      title: "Kilde",
      version,
      description: "An event store that publishes versioned integration feeds.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    tags: Object.entries(TAGS).map(([name, text]) => ({ name, description: text })),
  });
  return withExclusiveUnions(described);
}
