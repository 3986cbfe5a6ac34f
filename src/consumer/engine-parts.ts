import type { DeliverDeps } from "./deliver.ts";
import type { EngineOptions } from "./engine-types.ts";
import type { FeedProgress } from "./feed-progress.ts";
import type { Health } from "./health.ts";
import type { Retirement } from "./retired.ts";
import type { Settle } from "./settle.ts";

/** The state of one consumer, and the steps that its loops share. */
export interface EngineParts<Tx> {
  readonly deps: DeliverDeps<Tx>;
  readonly options: EngineOptions;
  readonly progress: FeedProgress;
  readonly health: Health;
  readonly retirement: Retirement;
  readonly settle: Settle;
}
