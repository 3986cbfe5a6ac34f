import type { Access } from "../access/access.ts";
import type { Digest } from "../access/digest.ts";
import type { OperationsLog } from "../administration/operations-log.ts";
import type { Denials } from "../administration/denials.ts";
import type { ByteBudget } from "../core/byte-budget.ts";
import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import type { StoreMeasures } from "../core/measures.ts";
import type { AddressRules } from "../webhooks/egress/address-rules.ts";
import type { Send } from "../webhooks/egress/outgoing.ts";
import type { TimeSlices } from "../core/time-slices.ts";
import type { Feeds } from "../feeds/feeds.ts";
import type { JobFailure } from "../jobs/loop.ts";
import type { Database } from "../storage/database.ts";
import type { RecentHeads } from "../log/follow/recent-heads.ts";
import type { CorrelationIndexing } from "../log/read/correlations.ts";
import type { LogReader } from "../log/read/reader.ts";
import type { ActivityRecorder } from "../log/consumers/activity.ts";
import type { LogWriter } from "../log/append/writer.ts";
import type { Seal } from "../webhooks/signing/seal.ts";
import type { Followers } from "./log/followers.ts";
import type { CommittedEvents } from "./consumers/committed-events.ts";
import type { SentEvents } from "./log/sent-events.ts";
import type { ParseLarge } from "./wire/parsing.ts";
import type { RequestSchemas } from "./openapi/schemas.ts";
import type { OnFault } from "./pipeline/failures.ts";
import type { RegisterMeasured } from "./service/measured.ts";
import type { MeasuredProcess } from "./service/measured-process.ts";
import type { ConsoleFiles } from "./service/console.ts";
import type { Docs } from "./service/docs.ts";
import type { SubscriptionDeps } from "./subscriptions/deps.ts";

/** The platform's part of webhooks, for requests about subscriptions. */
export interface DeliveryPort {
  /** Null: no key is configured to seal secrets with. */
  readonly seal: Seal | null;
  /** The rules for endpoint addresses, and a sender of requests. Loaded at the first use. */
  readonly egress: () => Promise<{ readonly rules: AddressRules; readonly send: Send }>;
  /** Called with each subscription that a request created or changed. */
  readonly onChange: (subscription: string) => void;
}

/** The dependencies of the routes. */
export interface AppDeps {
  readonly reader: LogReader;
  readonly writer: LogWriter;
  /** The failed attempts to delete truncated and erased events; null: the last attempt succeeded. */
  readonly sweepFailure: () => JobFailure | null;
  readonly feeds: Feeds;
  /** For queries about consumers and the state of the store. */
  readonly database: Database;
  readonly correlations: CorrelationIndexing;
  readonly activity: ActivityRecorder;
  /** Counts what this process does for the store. */
  readonly measures: StoreMeasures;
  /** Loads the writer of `measures`; null: nothing is measured. */
  readonly loadMeasured: (() => Promise<RegisterMeasured>) | null;
  /** The process, which serves other stores as well where there are tenants; null: it is not Kilde's alone. */
  readonly process: MeasuredProcess | null;
  /** When the newest backup was finished, in milliseconds since 1970; null: nobody asked for it. 0: none is known. */
  readonly newestBackup: () => Promise<number | null>;
  /** Counts the events that requests were sent. */
  readonly sent: SentEvents;
  /** Measures how long consumers take to commit. */
  readonly committed: CommittedEvents;
  /** The keys of the store. */
  readonly access: Access;
  /** For digests of requests, which are stored with their idempotency keys. */
  readonly digest: Digest;
  /** Counts the requests that known senders lacked a grant for. */
  readonly denials: Pick<Denials, "note">;
  /** The log of administration. */
  readonly operations: OperationsLog;
  readonly delivery: DeliveryPort;
  /** Opens the dependencies of the operations on subscriptions, once. */
  readonly openSubscriptions: () => Promise<SubscriptionDeps>;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Receives the errors that a person must learn of. */
  readonly onFault: OnFault;
  readonly schemas: RequestSchemas;
  /** Version of the program, for /health. */
  readonly version: string;
  /** Name of the environment, such as `production`; null: it has none. */
  readonly environment: string | null;
  /** The guide and the API browser; null where the platform cannot serve them. */
  readonly docs: Docs | null;
  /** The console; null where the platform cannot serve it. */
  readonly consoleFiles: ConsoleFiles | null;
  readonly followers: Followers;
  /** The heads of the event log in the last hour; null where memory lasts no longer than a request. */
  readonly recentHeads: RecentHeads | null;
  /** Bytes of request bodies whose requests have no answer yet. */
  readonly bodies: ByteBudget;
  /** Bytes of answers that clients have not read yet. */
  readonly answers: ByteBudget;
  /** Slices of the event loop for parsing bodies in this thread. */
  readonly parseSlices: TimeSlices;
  /** Parses large bodies. */
  readonly parseLarge: ParseLarge;
  /** Path that the store is served under, such as `/kilde`; empty at the root. Paths in answers begin with it. */
  readonly basePath: string;
  /** Whether the router compresses large answers. */
  readonly compress: boolean;
  /** Aborts when the server shuts down: followers then receive the events that they have so far. */
  readonly closing: AbortSignal;
}
