import type { Resource } from "../data/use-resource.ts";
import { Problem } from "./problem.tsx";

/** The problem of a value that could not be loaded, or a note while the first load is under way. */
export function LoadState({ value, error, reload }: Resource<unknown>) {
  if (error !== null) return <Problem error={error} onRetry={reload} />;
  return value === undefined ? <p class="muted">Loading…</p> : null;
}
