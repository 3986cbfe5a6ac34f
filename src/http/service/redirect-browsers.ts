import { accepts } from "hono/accepts";
import type { MiddlewareHandler } from "hono";

const JSON_TYPE = "application/json";
const PAGE_TYPE = "text/html";

/** Redirects browsers from the root to the console. Programs, which do not prefer a page, get the index. */
export function redirectBrowsers(basePath: string): MiddlewareHandler {
  return async (c, next) => {
    const supports = [JSON_TYPE, PAGE_TYPE];
    if (accepts(c, { header: "Accept", supports, default: JSON_TYPE }) === PAGE_TYPE)
      return c.body(null, 302, { Location: `${basePath}/console`, Vary: "Accept" });
    await next();
    c.header("Vary", "Accept", { append: true });
    return undefined;
  };
}
