import { nameFault } from "../core/names.ts";

/*
 * A grant allows a verb on a resource; nothing is allowed without one. Its text form is `verb:path`, for logs with
 * `?subjectPrefix=`, or `admin`. The path is one of Kilde's own, with names as they are, not percent-encoded:
 *
 *   append:/streams/user-1    read:/streams/declaration-*    read:/feeds/orders/v2?subjectPrefix=shop-7-    manage:/feeds
 *
 * A path covers itself and everything below it. A trailing `*` makes its last segment a prefix. A stream's name is one
 * segment, even if it contains slashes.
 */

export const GRANT_VERBS = ["append", "read", "erase", "manage"] as const;

export type GrantVerb = (typeof GRANT_VERBS)[number];

/** First segments of the paths that each verb is granted on. */
const ROOTS = {
  append: ["streams"],
  read: ["streams", "events", "feeds", "operations", "metrics"],
  erase: ["streams"],
  manage: ["events", "feeds", "subscriptions", "operations"],
} as const satisfies Readonly<Record<GrantVerb, readonly string[]>>;

export interface PathGrant {
  readonly verb: GrantVerb;
  /** Names are decoded; the trailing `*` of the text form is left out. */
  readonly path: string;
  /** Whether `path` is the beginning of the paths that are granted. */
  readonly isPrefix: boolean;
  /** The granted subjects of a log begin with it; empty: all subjects. */
  readonly subjectPrefix: string;
}

/** `admin` allows everything. */
export type Grant = PathGrant | { readonly verb: "admin" };

/** Why a text is no grant, as the end of a sentence about it. */
export interface GrantFault {
  readonly fault: string;
}

/** Longest name in a grant, in bytes: the largest value that `limits.streamNameBytes` can have. */
const MAX_NAME_BYTES = 4_096;

const PREFIX_PARAMETER = "subjectPrefix=";

/** A whole segment, and a segment that a `*` follows. */
interface SegmentForms {
  readonly whole: RegExp;
  readonly prefix: RegExp;
}

const FEED: SegmentForms = { whole: /^[a-z0-9]+(?:-[a-z0-9]+)*$/, prefix: /^(?:[a-z0-9]+-)*[a-z0-9]*$/ };
const VERSION: SegmentForms = { whole: /^v[1-9][0-9]*$/, prefix: /^(?:v(?:[1-9][0-9]*)?)?$/ };

export function isAdmin(grant: Grant): grant is { readonly verb: "admin" } {
  return grant.verb === "admin";
}

function listOf(words: readonly string[]): string {
  return words.join(", ");
}

function streamFault(name: string, isPrefix: boolean): string | null {
  if (name === "")
    return isPrefix ? null : "names no stream; end it with /streams, or with the stream's name";
  if (name.startsWith("/") || name.includes("//")) return "has an empty segment";
  if (name.endsWith("/") && !isPrefix) return 'must not end with "/"; add "*" for all names below it';
  const fault = nameFault(name, MAX_NAME_BYTES);
  return fault === null ? null : `names a stream that ${fault}`;
}

function feedFault(names: readonly string[], isPrefix: boolean): string | null {
  const [feed = "", version] = names;
  if (names.length > 2) return "goes below /feeds/NAME/vN; name subjects by ?subjectPrefix=";
  const ofFeed = version === undefined && isPrefix ? FEED.prefix : FEED.whole;
  if (!ofFeed.test(feed)) return "names no feed: a feed has lower-case letters, digits and single dashes";
  if (version === undefined || (isPrefix ? VERSION.prefix : VERSION.whole).test(version)) return null;
  return "names no version of a feed, such as v2";
}

/** Returns the fault of a path without its trailing `*`, or null. */
function pathFault(verb: GrantVerb, path: string, isPrefix: boolean): string | null {
  if (!path.startsWith("/")) return 'needs a path that begins with "/" after the colon';
  const [root = "", ...names] = path.slice(1).split("/");
  const roots: readonly string[] = ROOTS[verb];
  if (!roots.includes(root))
    return `cannot be granted: ${verb} is granted on ${listOf(roots.map((each) => `/${each}`))}`;
  if (names.length === 0) return isPrefix ? 'has a "*" that follows no "/"' : null;
  if (root === "streams") return streamFault(names.join("/"), isPrefix);
  if (root === "feeds") return feedFault(names, isPrefix);
  return `goes below /${root}, which has nothing to grant below it`;
}

function subjectPrefixFault(prefix: string): string | null {
  if (prefix === "") return "has an empty subjectPrefix; leave it out to grant all subjects";
  if (prefix.includes("*")) return 'has a "*" in subjectPrefix, which is a prefix without it';
  const fault = nameFault(prefix, MAX_NAME_BYTES);
  return fault === null ? null : `has a subjectPrefix that ${fault}`;
}

/** Divides at the `?` of a path that can have a query; a stream's name may contain one. */
function splitQuery(target: string): { readonly path: string; readonly query: string | null } {
  const at = target.startsWith("/streams") ? -1 : target.indexOf("?");
  return at === -1
    ? { path: target, query: null }
    : { path: target.slice(0, at), query: target.slice(at + 1) };
}

function queryFault(verb: GrantVerb, path: string, query: string): string | null {
  if (verb !== "read" || !/^\/(?:events|feeds)(?:\/|$)/.test(path))
    return "cannot be limited by a query: only read:/events and read:/feeds have ?subjectPrefix=";
  if (!query.startsWith(PREFIX_PARAMETER)) return "has a query other than ?subjectPrefix=";
  return subjectPrefixFault(query.slice(PREFIX_PARAMETER.length));
}

/**
 * Parses a grant's text form: `append:/streams/declaration-*` is the verb `append`, and the path `/streams/declaration-`
 * as a prefix.
 */
export function parseGrant(text: string): Grant | GrantFault {
  if (text === "admin") return { verb: "admin" };
  const colon = text.indexOf(":");
  const verb = GRANT_VERBS.find((each) => each === text.slice(0, Math.max(0, colon)));
  if (verb === undefined)
    return {
      fault: `must be "admin", or begin with one of ${listOf(GRANT_VERBS.map((each) => `${each}:`))}`,
    };
  const { path: written, query } = splitQuery(text.slice(colon + 1));
  const isPrefix = written.endsWith("*");
  const path = isPrefix ? written.slice(0, -1) : written;
  if (path.includes("*")) return { fault: 'has a "*" that is not at the end of the path' };
  const fault = pathFault(verb, path, isPrefix) ?? (query === null ? null : queryFault(verb, path, query));
  if (fault !== null) return { fault };
  return { verb, path, isPrefix, subjectPrefix: query?.slice(PREFIX_PARAMETER.length) ?? "" };
}

/** Returns the text form of a parsed grant. */
export function grantText(grant: Grant): string {
  if (isAdmin(grant)) return "admin";
  const { verb, path, isPrefix, subjectPrefix } = grant;
  const query = subjectPrefix === "" ? "" : `?${PREFIX_PARAMETER}${subjectPrefix}`;
  return `${verb}:${path}${isPrefix ? "*" : ""}${query}`;
}
