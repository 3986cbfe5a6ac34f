import type { ConsumerDeps } from "./deps.ts";
import type { Engine } from "./engine-types.ts";

/** One version of a feed, in a consumer that may migrate between two. */
export interface Side<Tx> {
  readonly deps: ConsumerDeps<Tx>;
  readonly engine: Engine;
}
