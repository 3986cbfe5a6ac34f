import { type Actor, authorship } from "../../administration/actor.ts";
import { entry, recordEntries } from "../../administration/entry.ts";
import { KildeError } from "../../core/errors.ts";
import type { LogAddress } from "../../log/keys.ts";
import { findLog, readHead } from "../../log/read/subjects.ts";
import type { Database } from "../../storage/database.ts";
import type { SecretKind } from "../signing/secret.ts";
import { addSubscription } from "./change.ts";
import type { SubscriptionCreator } from "./creator.ts";
import {
  credentialsOf,
  sealHeaders,
  sealSecret,
  secretFor,
  type SubscriptionCredentials,
} from "./credentials.ts";
import { subscriptionPath } from "./delivered-filter.ts";
import { getSubscription, type RegistryDeps } from "./registry-deps.ts";
import { allowedRate, type RequestedConfig } from "./requested-config.ts";
import { positionBefore } from "./state.ts";
import type { SubscriptionRecord } from "./subscription.ts";

/** Where a subscription starts: after a position, or with the first event recorded at or after a time (UTC, ms). */
export type Start = "beginning" | "now" | { readonly position: number } | { readonly time: string };

export interface SubscriptionRequest {
  /** Path of the log. */
  readonly source: string;
  readonly start: Start;
  /** `consentedOrigin`: the origin of the request for consent. */
  readonly config: RequestedConfig;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: Kilde generates one. */
  readonly secret: string | null;
  readonly signature: SecretKind;
  readonly creator: SubscriptionCreator | null;
}

function beyondHead(log: LogAddress, position: number, head: number): KildeError {
  const detail = `The position is ${position}, but the last event of ${log.name} is ${head}`;
  return new KildeError("cursor-beyond-head", detail, { head });
}

async function startCursor(database: Database, log: LogAddress, start: Start): Promise<number> {
  const head = await readHead(database, log);
  if (start === "beginning") return 0;
  if (start === "now") return head;
  if ("time" in start) return positionBefore(database, log, head, start.time);
  if (start.position > head) throw beyondHead(log, start.position, head);
  return start.position;
}

/** Finds a log that can be read. */
async function findServedLog({ database, isServed }: RegistryDeps, source: string): Promise<LogAddress> {
  const log = await findLog(database, source);
  if (log !== null && (await isServed(log))) return log;
  const detail = `There is no log ${source}: it is /events, /operations, or the path of a feed's version`;
  throw new KildeError("invalid-body", detail, { errors: [{ pointer: "/source", detail }] });
}

/** A stored subscription, and the keys that its receiver verifies with. */
export type CreatedSubscription = { readonly subscription: SubscriptionRecord } & SubscriptionCredentials;

export async function createSubscription(
  deps: RegistryDeps,
  { source, start, config, headers, secret, signature, creator }: SubscriptionRequest,
  actor: Actor,
): Promise<CreatedSubscription> {
  const { database, limits, seal } = deps;
  const log = await findServedLog(deps, source);
  const id = `sub_${crypto.randomUUID().replaceAll("-", "")}`;
  const text = secretFor(secret, signature);
  const stored = await sealSecret(seal, text, id);
  const cursor = await startCursor(database, log, start);
  const ratePerMinute = await allowedRate(deps.send, config);
  const now = new Date(deps.clock.now()).toISOString();
  const row = {
    id,
    log,
    config: { ...config, headerNames: Object.keys(headers), ratePerMinute },
    secrets: { signing: [stored], headers: await sealHeaders(seal, headers, id) },
    cursor,
    now,
    mostSubscriptions: limits.subscriptions,
    creator,
  };
  const created = entry(subscriptionPath(id), "kilde.subscription.created", { ...authorship(actor), source });
  const added = await addSubscription(deps.writer, row, recordEntries([created], now, "changed"));
  if (!added) {
    const detail = `There are ${limits.subscriptions} subscriptions already`;
    throw new KildeError("limit-exceeded", detail, { limit: "subscriptions" });
  }
  deps.onChange(id);
  return { subscription: await getSubscription(database, id), ...credentialsOf(text) };
}
