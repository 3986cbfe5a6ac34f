import { OpenAPIHono, type RouteConfig } from "@hono/zod-openapi";

import type { AppDeps } from "../deps.ts";
import { type Operation, TAGS } from "../operation.ts";
import { openApiParts } from "./parts.ts";

/** The OpenAPI 3.1 description of operations. */
export function openApiDocument(
  operations: readonly Operation[],
  { schemas, limits, basePath, version }: Pick<AppDeps, "schemas" | "limits" | "basePath" | "version">,
): object {
  const parts = openApiParts(schemas, limits);
  const described = new OpenAPIHono();
  for (const { id, method, path, tag, summary, description, describe } of operations) {
    const route: RouteConfig = { operationId: id, method, path, tags: [tag], summary, ...describe(parts) };
    described.openAPIRegistry.registerPath(description === undefined ? route : { ...route, description });
  }
  return described.getOpenAPI31Document({
    openapi: "3.1.0",
    servers: [{ url: basePath === "" ? "/" : basePath }],
    info: {
      title: "Kilde",
      version,
      description: "An event store that publishes versioned integration feeds.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    // Kilde authenticates nobody: its address, or a proxy in front of it, decides who may call.
    security: [],
    tags: Object.entries(TAGS).map(([name, text]) => ({ name, description: text })),
  });
}
