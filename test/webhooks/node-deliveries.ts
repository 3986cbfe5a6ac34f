import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { UNMEASURED } from "../../src/core/measures.ts";
import {
  type DeliveryOptions,
  runDeliveries,
  type RunningDeliveries,
} from "../../src/runtime/threads/deliveries.ts";
import { newHolderName } from "../../src/storage/holder-name.ts";
import { TEST_SECRET_KEY } from "../support/app.ts";

/** Delivers as a node of its own on a database. */
export function startNodeDeliveries(
  storage: Pick<DeliveryOptions, "database" | "writer">,
): RunningDeliveries {
  return runDeliveries({
    ...storage,
    measures: UNMEASURED,
    limits: DEFAULT_LIMITS,
    pollIntervalMs: 20,
    holder: newHolderName(),
    egressAllow: ["127.0.0.1"],
    secretKeys: [TEST_SECRET_KEY],
    publicLogs: [],
    onEvent: () => {},
  });
}
