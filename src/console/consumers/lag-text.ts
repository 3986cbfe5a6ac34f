import { formatCounted } from "../format/counts.ts";
import { formatDuration } from "../format/times.ts";

/** Describes a lag: `Up to date`, or `12 events, the first for 3 min`. */
export function lagText({ events, seconds }: { readonly events: number; readonly seconds: number }): string {
  if (events === 0) return "Up to date";
  return `${formatCounted(events, "event")}, the first for ${formatDuration(seconds)}`;
}
