import type { Context } from "hono";

import { KildeError } from "../../core/errors.ts";
import { correlationProgress, indexBeforeRead, readCorrelated } from "../../log/read/correlations.ts";
import type { AppDeps } from "../deps.ts";
import { textAnswer } from "../wire/text-answer.ts";
import { validQuery } from "./pages.ts";

/** Events in an answer, unless the request states another number. */
const DEFAULT_EVENTS = 100;

/** `GET /events/correlated` */
export async function getCorrelated(c: Context, deps: AppDeps): Promise<Response> {
  const { id, after = 0, limit = DEFAULT_EVENTS } = validQuery(c, deps.schemas.correlatedQuery);
  if (deps.correlations === "off")
    throw new KildeError("correlations-off", "The store does not index correlations");
  if (deps.correlations === "before-reads") await indexBeforeRead(deps);
  // Before the events: an event that is indexed in between is in the answer, or after `next`.
  const { head, indexed } = await correlationProgress(deps.database);
  const query = { correlation: id, after, limit, mostBytes: deps.limits.pageBytes };
  const { texts, next } = await readCorrelated(deps.database, query);
  const body = `{"events":[${texts.join(",")}],"indexed":${indexed},"head":${head},"next":${next}}`;
  return textAnswer(c, body, 200, { "Content-Type": "application/json", "Cache-Control": "no-cache" });
}
