import type { Context } from "hono";

import type { Principal } from "../../access/principal.ts";
import type { Feed } from "../../feeds/feed.ts";
import { seesFeed } from "../feeds/feed-access.ts";
import { principalOf } from "../pipeline/authorization.ts";
import type { AppDeps } from "../deps.ts";
import type { Operation } from "../operation.ts";
import { jsonAnswer } from "../wire/json-answer.ts";
import { textAnswer } from "../wire/text-answer.ts";

/** The text of /openapi.json for each store that was asked: it is large, and does not change. */
const OPEN_API_TEXTS = new WeakMap<AppDeps, Promise<string>>();

async function openApiText(operations: readonly Operation[], deps: AppDeps): Promise<string> {
  // Loaded at the first request: creating the schemas takes as long as the rest of the start.
  const { openApiDocument } = await import("../openapi/document.ts");
  return JSON.stringify(openApiDocument(operations, deps));
}

/** `GET /openapi.json` */
export async function getOpenApi(
  c: Context,
  deps: AppDeps,
  operations: readonly Operation[],
): Promise<Response> {
  const text = OPEN_API_TEXTS.get(deps) ?? openApiText(operations, deps);
  OPEN_API_TEXTS.set(deps, text);
  return textAnswer(c, await text, 200, { "Content-Type": "application/json" });
}

/** Returns the feeds that the sender may read, with their published schemas, which another process may have extended. */
async function describedFeeds({ feeds }: AppDeps, principal: Principal): Promise<Feed[]> {
  const shown = feeds.all.filter(({ feed }) => seesFeed(principal, feed));
  const states = await feeds.states(shown);
  const served = shown.filter((open) => (states.get(open)?.status ?? "retiring") !== "retiring");
  const schemas = await feeds.schemas(served);
  return served.map((open) => ({ ...open.feed, schemas: schemas.get(open) ?? {} }));
}

/** `GET /asyncapi.json` */
export async function getAsyncApi(c: Context, deps: AppDeps): Promise<Response> {
  const { asyncApiDocument } = await import("../../feeds/contract/asyncapi.ts");
  const url = new URL(c.req.url).origin + deps.basePath;
  return jsonAnswer(
    c,
    asyncApiDocument(await describedFeeds(deps, principalOf(c)), { version: deps.version, url }),
    200,
  );
}
