import { parseGrant } from "../../access/grant.ts";
import { createKeyGrants } from "../../access/key-grants.ts";
import { covers, needOf } from "../../access/need.ts";
import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import type { SubscriptionRecord } from "./subscription.ts";

/** Reason of the pause of a subscription whose creator may no longer read what it delivers. */
export const CREATOR_ENDED = "creator may no longer read the source";

/** Whether the creator of a subscription may still read what it delivers. Rejects when storage fails. */
export type CreatorMayRead = (
  subscription: Pick<SubscriptionRecord, "creator" | "log" | "config">,
) => Promise<boolean>;

function grantsOf(texts: readonly string[]) {
  return texts.flatMap((text) => {
    const parsed = parseGrant(text);
    return "fault" in parsed ? [] : [parsed];
  });
}

export interface CreatorAccessDeps {
  readonly database: Database;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  /** Paths of the logs that everyone may read. */
  readonly publicLogs: readonly string[];
}

/** Queries of all subscriptions are one a second at most; a subscription without a creator needs none. */
export function createCreatorAccess({ database, clock, publicLogs }: CreatorAccessDeps): CreatorMayRead {
  const keys = createKeyGrants(database, clock);
  return async ({ creator, log, config }) => {
    if (creator === null || publicLogs.includes(log.name)) return true;
    const need = needOf("read", log.name, config.filter.subjectPrefix ?? "");
    if (creator.kind === "key") return keys.allow(creator.name, need);
    return covers(grantsOf(creator.grants), need);
  };
}
