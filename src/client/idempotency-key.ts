/**
 * Returns a new idempotency key, a UUID of version 7 (RFC 9562 §5.7): random, and in the order of time, so that a server
 * stores the keys of a commit in one place of its index, and not in one for each.
 */
export function newIdempotencyKey(nowMs: number): string {
  const time = nowMs.toString(16).padStart(12, "0");
  // The random version-4 UUID has the same variant in the same place.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}
