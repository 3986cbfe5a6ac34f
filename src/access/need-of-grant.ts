import type { Grant } from "./grant.ts";
import { type AccessNeed, NEEDS_ADMIN, needOf } from "./need.ts";

/** No name may contain it, so only a prefix covers a name that ends with it. */
const ANY_NAME = "\uFFFD";

/** Returns the need that exactly those grants cover which allow everything that the given one allows. */
export function needOfGrant(grant: Grant): AccessNeed {
  if (grant.verb === "admin") return NEEDS_ADMIN;
  const { verb, path, isPrefix, subjectPrefix } = grant;
  return needOf(verb, isPrefix ? path + ANY_NAME : path, subjectPrefix);
}
