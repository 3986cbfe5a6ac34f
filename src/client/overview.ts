import { readObject } from "./parse-answer.ts";
import { type RequestDeps, send } from "./request.ts";
import type { StoreOverview } from "./store-types.ts";

/** Reads the state of a store. */
export function readOverview(deps: RequestDeps): Promise<StoreOverview> {
  return send(deps, "/overview", {}, readObject<StoreOverview>);
}
