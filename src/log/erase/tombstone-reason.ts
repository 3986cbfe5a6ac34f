import type { AcceptedEvent } from "../../core/event.ts";

/** The reason in a tombstone; null: it states none. */
export function tombstoneReason(tombstone: AcceptedEvent | undefined): string | null {
  if (tombstone?.extensions == null) return null;
  const { reason } = JSON.parse(tombstone.extensions) as { readonly reason?: string };
  return reason ?? null;
}
