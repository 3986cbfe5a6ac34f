import type { AppDeps } from "../../http/deps.ts";
import type { ComposedStore } from "../compose.ts";

/** A store, with the memory of the process for its surface. */
export interface ServedStore extends Omit<ComposedStore, "close">, Pick<AppDeps, "recentHeads"> {}
