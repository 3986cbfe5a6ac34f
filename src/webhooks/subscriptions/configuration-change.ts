import type { ChangeEffect } from "./change.ts";
import type { RequestedConfig } from "./requested-config.ts";

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

/** Names of the members that a change sets to something else, as a request names them. */
export function changedMembers(
  before: RequestedConfig,
  after: RequestedConfig,
  hasHeaders: boolean,
): string[] {
  const members = ({ filter, consentedOrigin, ...config }: RequestedConfig) => {
    const { url, mode, concurrency, attempts, description } = config;
    const { types = null, subjectPrefix = "" } = filter;
    return {
      url,
      types,
      subjectPrefix,
      mode,
      concurrency,
      attempts,
      handshake: consentedOrigin,
      description,
    };
  };
  const now = Object.entries(members(after));
  const earlier = Object.values(members(before));
  const changed = now.filter(([, value], index) => JSON.stringify(value) !== JSON.stringify(earlier[index]));
  return [...changed.map(([name]) => name), ...(hasHeaders ? ["headers"] : [])];
}
