import type { ByteBudget } from "../core/byte-budget.ts";
import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import type { AddressRules } from "../webhooks/egress/address-rules.ts";
import type { Send } from "../webhooks/egress/outgoing.ts";
import type { TimeSlices } from "../core/time-slices.ts";
import type { Feeds } from "../feeds/feeds.ts";
import type { JobFailure } from "../jobs/loop.ts";
import type { Database } from "../storage/database.ts";
import type { LogReader } from "../log/read/reader.ts";
import type { ActivityRecorder } from "../log/consumers/activity.ts";
import type { LogWriter } from "../log/append/writer.ts";
import type { Seal } from "../webhooks/signing/seal.ts";
import type { Followers } from "./log/followers.ts";
import type { ParseLarge } from "./wire/parsing.ts";
import type { RequestSchemas } from "./openapi/schemas.ts";
import type { Docs } from "./service/docs.ts";
import type { SubscriptionDeps } from "./subscriptions/deps.ts";

/** What the server has for webhooks, which are delivered elsewhere. */
export interface DeliveryPort {
  /** Null: there is no key that secrets could be sealed with. */
  readonly seal: Seal | null;
  /** Where endpoints may be, and a way there. Loaded when it is needed. */
  readonly egress: () => Promise<{ readonly rules: AddressRules; readonly send: Send }>;
  /** Told of subscriptions that were changed. */
  readonly onChange: (subscription: string) => void;
}

/** What the routes work with. */
export interface AppDeps {
  readonly reader: LogReader;
  readonly writer: LogWriter;
  /** Why the sweep does not delete truncated and erased events; null: its last attempt succeeded. */
  readonly sweepFailure: () => JobFailure | null;
  readonly feeds: Feeds;
  /** For what is looked up about consumers. */
  readonly database: Database;
  readonly sightings: ActivityRecorder;
  readonly delivery: DeliveryPort;
  /** Opens what the operations on subscriptions need, once. */
  readonly openSubscriptions: () => Promise<SubscriptionDeps>;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly schemas: RequestSchemas;
  /** Version of the program, which /health reports. */
  readonly version: string;
  /** The guide and the API browser; null where the platform cannot serve them. */
  readonly docs: Docs | null;
  readonly followers: Followers;
  /** Bytes of the bodies of requests that are not answered yet. */
  readonly bodies: ByteBudget;
  /** Bytes of answers that clients have not read yet. */
  readonly answers: ByteBudget;
  /** For reading bodies in this thread. */
  readonly parseSlices: TimeSlices;
  /** Reads bodies that are large. */
  readonly parseLarge: ParseLarge;
  /** Path under which all of it is served, as in `/kilde`; empty at the root. Paths in answers begin with it. */
  readonly basePath: string;
  /** Whether large answers are compressed here. */
  readonly compress: boolean;
  /** Aborts when the server shuts down: whoever follows is sent away with what it has. */
  readonly closing: AbortSignal;
}
