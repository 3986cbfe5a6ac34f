import type { DispatchDeps } from "./dispatcher.ts";
import type { PendingDeliveries } from "./pending-deliveries.ts";

/** Returns a function that reports, once, that very many subjects are blocked. */
export function createBlockedReport(
  deps: Pick<DispatchDeps, "blockedSubjects" | "onManyBlocked">,
  lanes: PendingDeliveries["lanes"],
): () => void {
  let hasReported = false;
  return () => {
    const blocked = lanes.resting();
    if (hasReported || blocked < deps.blockedSubjects) return;
    hasReported = true;
    deps.onManyBlocked(blocked);
  };
}
