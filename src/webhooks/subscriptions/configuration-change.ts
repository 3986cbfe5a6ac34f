import { KildeError } from "../../core/errors.ts";
import type { ChangeEffect } from "./change.ts";
import type { RequestedConfig } from "./requested-config.ts";
import type { SubscriptionConfig } from "./subscription.ts";

/** The effect of a change on pending deliveries. */
export function effectOf(before: RequestedConfig, after: RequestedConfig, hasHeaders: boolean): ChangeEffect {
  const decisive = ({ url, filter, mode, attempts }: RequestedConfig) =>
    JSON.stringify([url, filter, mode, attempts]);
  return hasHeaders || decisive(before) !== decisive(after) ? "retry" : "none";
}

/**
 * Whether a change decides which events are delivered, or to which address. Its author then becomes the creator: otherwise it could have
 * events delivered to an address of its own with the grants of someone else.
 */
export function redirects(before: RequestedConfig, after: RequestedConfig, hasHeaders: boolean): boolean {
  const decisive = ({ url, filter }: RequestedConfig) => JSON.stringify([url, filter]);
  return hasHeaders || decisive(before) !== decisive(after);
}

/**
 * Throws a KildeError for a change that would send the stored headers to another server: their author stated them for
 * the server before, and nobody can read them.
 */
export function requireOwnHeaders(
  before: Pick<SubscriptionConfig, "url" | "headerNames">,
  after: Pick<SubscriptionConfig, "url">,
  hasHeaders: boolean,
): void {
  const isSame = new URL(before.url).origin === new URL(after.url).origin;
  if (hasHeaders || isSame || before.headerNames.length === 0) return;
  const detail = "must be stated again, or be empty, for a url of another server";
  throw new KildeError("invalid-body", `/headers: ${detail}`, { errors: [{ pointer: "/headers", detail }] });
}

/** Names of the members that a change sets to something else, as a request names them. */
export function changedMembers(
  before: RequestedConfig,
  after: RequestedConfig,
  hasHeaders: boolean,
): string[] {
  const members = ({ filter, consentedOrigin, ...config }: RequestedConfig) => {
    const { url, mode, concurrency, attempts, keepAttempts = 0, description } = config;
    const { types = null, subjectPrefix = "" } = filter;
    return {
      url,
      types,
      subjectPrefix,
      mode,
      concurrency,
      attempts,
      keepAttempts,
      handshake: consentedOrigin,
      description,
    };
  };
  const now = Object.entries(members(after));
  const earlier = Object.values(members(before));
  const changed = now.filter(([, value], index) => JSON.stringify(value) !== JSON.stringify(earlier[index]));
  return [...changed.map(([name]) => name), ...(hasHeaders ? ["headers"] : [])];
}
