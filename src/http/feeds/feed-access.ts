import type { Context } from "hono";

import { covers, needOf, needText, subjectPrefixes } from "../../access/need.ts";
import type { Principal } from "../../access/principal.ts";
import type { Feed } from "../../feeds/feed.ts";
import type { AppDeps } from "../deps.ts";
import type { IdentifiedSender } from "../pipeline/authentication.ts";
import { type AccessRule, authorize, forbidden, requireKnown, senderOf } from "../pipeline/authorization.ts";
import { versionOf } from "./feed-in-path.ts";

const FEED = "/feeds/{feed}/v{version}";

/** Whether a principal may read some of a feed, or manage it, so that it learns of its state and contract. */
export function seesFeed(principal: Principal, feed: Pick<Feed, "path" | "access">): boolean {
  if (feed.access === "public" || managesFeed(principal, feed)) return true;
  return subjectPrefixes(principal.grants, feed.path) !== null;
}

/** Whether a principal learns why a feed fails. */
export function managesFeed({ grants }: Principal, { path }: Pick<Feed, "path">): boolean {
  return covers(grants, needOf("manage", path));
}

/** Whether everyone may read a log: it is that of a public feed. */
export function isPublicLog({ feeds }: Pick<AppDeps, "feeds">, path: string): boolean {
  return feeds.all.some(({ feed }) => feed.path === path && feed.access === "public");
}

/** Whether everyone may read the feed that the path names. */
export function isPublicFeed(c: Context, { feeds }: AppDeps): boolean {
  const { name, version } = versionOf(c);
  return feeds.find(name, version)?.feed.access === "public";
}

/**
 * Returns the prefix of the subjects of a feed that the sender is shown: the one in the request, or else the one that
 * is granted; undefined for all subjects. Throws a KildeError unless the sender may read them.
 */
export function shownPrefix(c: Context, deps: AppDeps, asked: string | undefined): string | undefined {
  return isPublicFeed(c, deps) ? asked : grantedPrefix(senderOf(c), versionOf(c).path, asked);
}

/** The same for a sender and any log that not everyone may read. */
export function grantedPrefix(
  sender: IdentifiedSender,
  path: string,
  asked: string | undefined,
): string | undefined {
  requireKnown(sender);
  const { principal } = sender;
  const granted = subjectPrefixes(principal.grants, path) ?? [];
  if (granted.length > 1 && asked === undefined) {
    const named = granted.map((prefix) => JSON.stringify(prefix)).join(", ");
    const detail = `The sender may read subjects of ${path} that begin with one of ${named}: state \`subjectPrefix\` or \`prefix\``;
    throw forbidden(principal, needText(needOf("read", path)), detail);
  }
  const shown = asked ?? granted[0] ?? "";
  authorize(sender, needOf("read", path, shown));
  return shown === "" ? undefined : shown;
}

/** The events of a feed: those of the subjects that are granted. */
export const READS_FEED: AccessRule = {
  needs: `read:${FEED}`,
  check: (c, deps) => void shownPrefix(c, deps, c.req.query("subjectPrefix")),
};

export const READS_SUBJECTS: AccessRule = {
  needs: `read:${FEED}`,
  check: (c, deps) => void shownPrefix(c, deps, c.req.query("prefix")),
};

export const READS_SUBJECT: AccessRule = {
  needs: `read:${FEED}`,
  check(c, deps) {
    if (isPublicFeed(c, deps)) return;
    authorize(senderOf(c), needOf("read", versionOf(c).path, c.req.param("subject") ?? ""));
  },
};

/** The state and the contract of a feed, for everyone who may read some of it or manage it. */
export const KNOWS_FEED: AccessRule = {
  needs: `read:${FEED}`,
  check(c, deps) {
    if (isPublicFeed(c, deps)) return;
    const sender = senderOf(c);
    const { path } = versionOf(c);
    requireKnown(sender);
    const isSeen = seesFeed(sender.principal, { path, access: "granted" });
    if (!isSeen) authorize(sender, needOf("read", path));
  },
};

export const MANAGES_FEED: AccessRule = {
  needs: `manage:${FEED}`,
  check: (c) => authorize(senderOf(c), needOf("manage", versionOf(c).path)),
};
