import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import type { Feeds } from "../feed/feeds.ts";
import type { LogReader } from "../log/reader.ts";
import type { LogWriter } from "../log/writer.ts";
import type { FollowerCount } from "./followers.ts";
import type { Schemas } from "./schemas.ts";

/** What the routes work with. */
export interface AppDeps {
  readonly reader: LogReader;
  readonly writer: LogWriter;
  readonly feeds: Feeds;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly schemas: Schemas;
  readonly followers: FollowerCount;
  /** Aborts when the server shuts down: whoever follows is sent away with what it has. */
  readonly closing: AbortSignal;
}
