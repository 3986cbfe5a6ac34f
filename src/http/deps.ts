import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import type { Feeds } from "../feed/feeds.ts";
import type { Database } from "../log/database.ts";
import type { LogReader } from "../log/reader.ts";
import type { Sightings } from "../log/sightings.ts";
import type { LogWriter } from "../log/writer.ts";
import type { FollowerCount } from "./followers.ts";
import type { Schemas } from "./schemas.ts";

/** What the routes work with. */
export interface AppDeps {
  readonly reader: LogReader;
  readonly writer: LogWriter;
  readonly feeds: Feeds;
  /** For what is looked up about consumers. */
  readonly database: Database;
  readonly sightings: Sightings;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly schemas: Schemas;
  readonly followers: FollowerCount;
  /** Path under which all of it is served, as in `/kilde`; empty at the root. Paths in answers begin with it. */
  readonly basePath: string;
  /** Aborts when the server shuts down: whoever follows is sent away with what it has. */
  readonly closing: AbortSignal;
}
