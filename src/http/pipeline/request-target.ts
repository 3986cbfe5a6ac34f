import { KildeError } from "../../core/errors.ts";

/**
 * Every path has one canonical form (RFC 3986 §6.2.2), and Kilde refuses all others before anything reads the path.
 * Otherwise a proxy that authorizes by path could see another path than Kilde: some decode `%2e%2e`, some resolve
 * `..`, some treat a backslash as a slash.
 */

/** Most URLs: a path without escapes, and perhaps a query without escapes. */
const PLAIN =
  /^https?:\/\/[^/?#\\@]+(?:\/(?!\.{1,2}(?:[/?]|$))[\w\-.~!$&'()*+,;=:@]+)*\/?(?:\?[\w\-.~!$&'()*+,;=:@/]*)?$/;

const PARTS = /^https?:\/\/[^/?#\\]+([^?#]*)(?:\?([^#]*))?(#.*)?$/s;
const UNPAIRED_PERCENT = /%(?![0-9a-f]{2})/i;
/** Escaped letters, digits, `-`, `.`, `_` and `~`, which need no escape (RFC 3986 §2.3). */
const NEEDLESS_ESCAPE = /%(?:2[DE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])/;
const UNESCAPED = /[^\w\-.~!$&'()*+,;=:@/%]/;
const DOT_SEGMENT = /(?:^|[/\\])\.{1,2}(?:[/\\]|$)/;

function isUtf8(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function pathFault(path: string): string | null {
  if (path.includes("\\")) return "The path has a backslash";
  if (path.includes("//")) return "The path has an empty segment";
  if (UNPAIRED_PERCENT.test(path)) return "A percent sign in the path begins no escape; a literal one is %25";
  if (path !== path.replaceAll(/%../g, (escape) => escape.toUpperCase()))
    return "The path has an escape in lower case; write %2F for %2f";
  if (NEEDLESS_ESCAPE.test(path)) return "The path escapes characters that need no escape";
  if (UNESCAPED.test(path)) return "The path has characters that must be escaped";
  if (!isUtf8(path)) return "The escapes in the path are not UTF-8";
  const decoded = decodeURIComponent(path);
  if (decoded.includes("\uFFFD")) return "The path has U+FFFD, which replaces invalid UTF-8";
  if (DOT_SEGMENT.test(decoded)) return 'The path has "." or ".." between slashes';
  return null;
}

/** Returns the reason why the path and query of an absolute URL are not canonical, or null. */
export function targetFault(url: string): string | null {
  if (PLAIN.test(url)) return null;
  const [, path, query = "", fragment] = PARTS.exec(url) ?? [];
  if (path === undefined) return "The address is not an http or https URL";
  if (fragment !== undefined) return "The address has a fragment; a literal # is %23";
  if (UNPAIRED_PERCENT.test(query) || !isUtf8(query)) {
    return "The escapes in the query are not UTF-8 in percent-encoding";
  }
  return pathFault(path);
}

/** Returns the error for a request whose address is not canonical, or null. */
export function targetError(request: Request): KildeError | null {
  const fault = targetFault(request.url);
  return fault === null ? null : new KildeError("invalid-target", fault);
}
