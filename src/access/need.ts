import { type Grant, grantText, parseGrant, type PathGrant, type GrantVerb } from "./grant.ts";

/** The grant that one operation needs: on one path, for all subjects that begin with a prefix; or `admin`. */
export type AccessNeed =
  | {
      readonly verb: GrantVerb;
      /** Path of the resource, with decoded names: `/streams/user-1`, `/events`, `/feeds/orders/v2`. */
      readonly path: string;
      /** Of a log: a prefix of the subjects to read, or a whole subject; empty: all subjects. */
      readonly subjectPrefix: string;
    }
  | { readonly verb: "admin" };

/** `subjectPrefix`: of a log, the prefix of the subjects to read, or a whole subject. Default: all subjects. */
export function needOf(verb: GrantVerb, path: string, subjectPrefix = ""): AccessNeed {
  return { verb, path, subjectPrefix };
}

export const NEEDS_ADMIN: AccessNeed = { verb: "admin" };

const STREAMS = "/streams";
const EVENTS = "/events";

function isStreamPath(path: string): boolean {
  return path === STREAMS || path.startsWith(`${STREAMS}/`);
}

/** The streams that a grant or a need to read reaches: those whose name begins with a text, or the one of that name. */
interface StreamReach {
  readonly name: string;
  readonly isPrefix: boolean;
}

/** Reading streams and reading the event log reach the same events; null for other paths. */
function readReach(path: string, isPrefix: boolean, subjectPrefix: string): StreamReach | null {
  if (path === EVENTS) return { name: subjectPrefix, isPrefix: true };
  if (path === STREAMS) return { name: subjectPrefix, isPrefix: true };
  return isStreamPath(path) ? { name: path.slice(STREAMS.length + 1), isPrefix } : null;
}

function reaches(granted: StreamReach, needed: StreamReach): boolean {
  if (granted.isPrefix) return needed.name.startsWith(granted.name);
  return !needed.isPrefix && needed.name === granted.name;
}

function pathReaches({ path, isPrefix }: PathGrant, needed: string): boolean {
  if (path === needed || (isPrefix && needed.startsWith(path))) return true;
  // The name of a stream is one segment: nothing is below it.
  const isName = path.startsWith(`${STREAMS}/`);
  return !isName && needed.startsWith(`${path}/`);
}

function coversOne(grant: Grant, need: AccessNeed): boolean {
  if (grant.verb === "admin") return true;
  if (need.verb !== grant.verb) return false;
  if (need.verb === "read") {
    const granted = readReach(grant.path, grant.isPrefix, grant.subjectPrefix);
    const needed = readReach(need.path, false, need.subjectPrefix);
    if (granted !== null && needed !== null) return reaches(granted, needed);
  }
  return pathReaches(grant, need.path) && need.subjectPrefix.startsWith(grant.subjectPrefix);
}

/** Whether one of the grants covers the need. */
export function covers(grants: readonly Grant[], need: AccessNeed): boolean {
  return grants.some((grant) => coversOne(grant, need));
}

/** Removes texts that begin with another one of the list, and sorts. */
function shortestPrefixes(prefixes: readonly string[]): readonly string[] {
  const shortest: string[] = [];
  for (const prefix of prefixes.toSorted()) {
    const last = shortest.at(-1);
    if (last === undefined || !prefix.startsWith(last)) shortest.push(prefix);
  }
  return shortest;
}

/**
 * Returns the prefixes of the subjects of a log that the grants allow to read: `[""]` for all subjects, null for none.
 * A grant on one stream by its whole name gives no prefix, since other names may begin with it.
 */
export function subjectPrefixes(grants: readonly Grant[], logPath: string): readonly string[] | null {
  const prefixes = grants.flatMap((grant) => {
    if (grant.verb === "admin") return [""];
    if (grant.verb !== "read") return [];
    if (logPath === EVENTS) {
      const reach = readReach(grant.path, grant.isPrefix, grant.subjectPrefix);
      return reach?.isPrefix === true ? [reach.name] : [];
    }
    return pathReaches(grant, logPath) ? [grant.subjectPrefix] : [];
  });
  return prefixes.length === 0 ? null : shortestPrefixes(prefixes);
}

function asGrants(need: Exclude<AccessNeed, { readonly verb: "admin" }>): readonly Grant[] {
  const { verb, path, subjectPrefix } = need;
  const exact = { verb, path, isPrefix: false, subjectPrefix };
  // `/streams` under a prefix is a list of streams, and is granted as the prefix of their names.
  if (isStreamPath(path) && subjectPrefix !== "")
    return [{ verb, path: `${STREAMS}/${subjectPrefix}`, isPrefix: true, subjectPrefix: "" }];
  return [exact];
}

/**
 * Longest beginning of a name without text form that is tried as a prefix. Without it, a request with a long name would
 * cost the square of its length.
 */
const MOST_TRIED_CHARACTERS = 256;

/**
 * The narrowest grants, from the narrowest on, that have a text form. Names may contain characters that have none, such
 * as `*`; then the text ends before them.
 */
function* textForms(grant: Grant): Generator<string> {
  yield grantText(grant);
  if (grant.verb === "admin") return;
  const { verb, path, subjectPrefix } = grant;
  for (let end = Math.min(subjectPrefix.length - 1, MOST_TRIED_CHARACTERS); end >= 0; end -= 1)
    yield grantText({ ...grant, subjectPrefix: subjectPrefix.slice(0, end) });
  if (!isStreamPath(path)) return;
  const longest = STREAMS.length + MOST_TRIED_CHARACTERS;
  for (let end = Math.min(path.length, longest); end > STREAMS.length; end -= 1)
    yield grantText({ verb, path: path.slice(0, end), isPrefix: true, subjectPrefix: "" });
}

/** Returns the narrowest grant that covers a need, as text: the grant to add. */
export function needText(need: AccessNeed): string {
  if (need.verb === "admin") return "admin";
  for (const grant of asGrants(need))
    for (const text of textForms(grant)) if (!("fault" in parseGrant(text))) return text;
  return `${need.verb}:${need.path}`;
}
