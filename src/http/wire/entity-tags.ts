/** An entity tag (RFC 9110 §8.8.3). */
const TAG = /(?:W\/)?("[^"]*")/g;

/** Whether `If-None-Match` names the entity tag of the answer. Compares weakly; `*` names any tag. */
export function namesTag(ifNoneMatch: string | null, tag: string): boolean {
  if (ifNoneMatch === null) return false;
  if (ifNoneMatch.trim() === "*") return true;
  return [...ifNoneMatch.matchAll(TAG)].some(([, opaque]) => opaque === tag);
}
