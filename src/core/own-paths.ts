/** First segments of the paths that Kilde serves. Every operation is below one of them; no tenant's path begins with one. */
export const OWN_ROOTS = [
  "streams",
  "transactions",
  "appends",
  "events",
  "operations",
  "feeds",
  "subscriptions",
  "session",
  "keys",
  "problems",
  "health",
  "ready",
  "metrics",
  "overview",
  "changes",
  "docs",
  "console",
  "openapi.json",
  "asyncapi.json",
] as const;

type OwnRoot = (typeof OWN_ROOTS)[number];

/** A path that Kilde serves. */
export type OwnPath = "/" | `/${OwnRoot}` | `/${OwnRoot}/${string}`;

/** Whether the first segment of a path is one of Kilde's own. */
export function isOwnPath(path: string): boolean {
  const [, first = ""] = path.split("/");
  return (OWN_ROOTS as readonly string[]).includes(first);
}
