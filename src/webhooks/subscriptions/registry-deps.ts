import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import type { Limits } from "../../core/limits.ts";
import type { LogAddress } from "../../log/keys.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import type { Database } from "../../storage/database.ts";
import type { Send } from "../egress/outgoing.ts";
import type { Seal } from "../signing/seal.ts";
import { readSubscription } from "./record.ts";
import type { SubscriptionRecord } from "./subscription.ts";

export interface RegistryDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Null: no key is configured that could seal secrets. */
  readonly seal: Seal | null;
  readonly send: Send;
  /** Whether a log can be read. */
  readonly isServed: (log: LogAddress) => Promise<boolean>;
  /** Notifies the dispatcher of a change. */
  readonly onChange: (id: string) => void;
}

export function unknownSubscription(id: string): KildeError {
  return new KildeError("subscription-not-found", `There is no subscription ${JSON.stringify(id)}`);
}

/** Throws `subscription-not-found`. */
export async function getSubscription(database: Database, id: string): Promise<SubscriptionRecord> {
  const found = await readSubscription(database, id);
  if (found === null) throw unknownSubscription(id);
  return found;
}
